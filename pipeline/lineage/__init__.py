"""The lineage of columns, from the source to the charts, as the files that make them say it."""
