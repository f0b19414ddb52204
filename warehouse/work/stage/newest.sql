-- The newest row of each key in :delta, as batch :batch; of equally new ones the later line. None of them is deleted: a
-- row that comes back loses its mark. A rerun gives the same.
select distinct on (:key)
    :columns,
    :batch as etl_batch,
    null::timestamptz as etl_deleted_ts
from :delta
order by :key asc, :watermark desc, ctid desc
