-- kind: select
-- grain: one row per key of which :delta, changes from the log, has a row, as batch :batch
-- reads: :delta
-- rerun: gives the same rows
-- Takes the last row of each key, in the order of the log. A row that was deleted since, or has another key since, is
-- marked with the time of that commit.
with

placed as (
    select
        *,
        lead(etl_ts) over (partition by :key order by etl_lsn, etl_seq) as etl_deleted_ts
    from :delta
)

select distinct on (:key)
    :columns,
    :batch as etl_batch,
    etl_deleted_ts
from placed
where etl_op in ('I', 'U')
order by :key asc, etl_lsn desc, etl_seq desc
