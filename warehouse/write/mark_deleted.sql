-- kind: write
-- reads: nothing
-- writes: :stage
-- rerun: marks nothing
-- Marks rows as deleted, as batch :batch: a repair did not find their keys (:keys, a JSON array of objects) in the
-- source. Leaves out a row that was written after the repair's window (:until, or the batches :later), because it
-- exists again.
update :stage as stage
set etl_deleted_ts = :extracted, etl_batch = :batch
from jsonb_to_recordset(:keys) as gone (:declared)
where
    (:stage_key) = (:gone_key) and etl_deleted_ts is null and :watermark < :until
    and not stage.etl_batch = any(:later)
