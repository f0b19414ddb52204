"""Luigi tasks: parameters, requires, output, run. The modules beside this package do the work."""
