"""Every change of the source, from PostgreSQL's log: logical decoding with pgoutput."""
