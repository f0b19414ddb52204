-- kind: select
-- grain: one row per key in :delta, as batch :batch
-- reads: :delta
-- rerun: gives the same rows
-- Takes the newest row of each key; of equally new ones the later line. None is marked as deleted: a row that comes
-- back loses its mark.
select distinct on (:key)
    :columns,
    :batch as etl_batch,
    null::timestamptz as etl_deleted_ts
from :delta
order by :key asc, :watermark desc, ctid desc
