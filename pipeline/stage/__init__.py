"""From the lake into delta and stage: rows are taken in, merged, kept in their history, repaired."""
