"""The simulated shop: its operational database and what happens in it."""
