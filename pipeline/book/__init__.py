"""The data book: a site of static pages about the warehouse, made from its catalogue, its SQL and its own notes.

`python -m pipeline book` writes it. Its first page is the morning page: the KPIs, what is loaded and what waits.
"""
