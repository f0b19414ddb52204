"""The source database: its columns, and the extracts of what changed in it."""
