"""An independent checker of source, lake and warehouse: DuckDB and SQL of its own, nothing of the rest."""
