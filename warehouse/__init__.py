"""The warehouse's SQL: ddl/ creates it, migrations/ upgrade it, work/ loads it, checks/ try it."""
