"""Whole lives of a shop and its warehouse, each from a seed: what happens, what fails, and what must be left."""
