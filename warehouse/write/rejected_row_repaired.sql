-- kind: write
-- reads: :delta
-- writes: etl.rejected_row
-- rerun: deletes nothing
-- Deletes the entries of rows that a repair brought again, as :delta, and that are valid now.
delete from etl.rejected_row as known
using :delta as candidate
where known.source = :source and known.row_key = left(json_build_array(:key)::text, :longest)
