"""From stage into the star schema (work, then dwh), and from there into the aggregates of mart."""
