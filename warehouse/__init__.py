"""The warehouse's SQL: ddl/ creates it, work/ loads it. Read by pipeline/sql.py."""
