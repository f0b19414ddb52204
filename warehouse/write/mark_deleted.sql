-- kind: write
-- reads: nothing
-- writes: :stage
-- rerun: marks nothing
-- Marks the rows whose keys (a JSON array of objects, :keys) a repair did not find in the source, as batch :batch.
-- Leaves alone a row that was written after the repair's window (:until): it is there again.
update :stage as stage
set etl_deleted_ts = :extracted, etl_batch = :batch
from jsonb_to_recordset(:keys) as gone (:declared)
where (:stage_key) = (:gone_key) and etl_deleted_ts is null and :watermark < :until
