"""Single mistakes in the code, each of which must turn a named test red: checks that can fail."""
