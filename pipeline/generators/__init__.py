"""The simulated shop: its operational database and its business days."""
