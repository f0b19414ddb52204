-- kind: write
-- reads: :delta
-- writes: :stage
-- rerun: marks nothing
-- Marks rows of :stage as deleted that :delta, changes from the log, only deletes or gives another key, as batch :batch
-- and with the time of the first such commit. Leaves out rows that are marked, and those of the batches :later.
with

gone as (
    select
        :key,
        (array_agg(etl_ts order by etl_lsn, etl_seq))[1] as gone_ts
    from :delta
    group by :key
    having bool_and(etl_op in ('D', 'K'))
)

update :stage as stage
set etl_deleted_ts = gone.gone_ts, etl_batch = :batch
from gone
where (:stage_key) = (:gone_key) and stage.etl_deleted_ts is null and not stage.etl_batch = any(:later)
