"""Whether the warehouse can be believed: checks of its rows, and comparison with the source."""
