-- kind: select
-- grain: one row per value of a history column and instant in :delta, changes from the log, as batch :batch
-- reads: :delta, :stage
-- rerun: gives the same rows, as long as :stage is as before the changes
-- Takes the value of each change. It holds from the row's own time of change (:watermark), if the change moved that,
-- and otherwise from the commit. Of several values with one instant, as in one transaction, the last one holds.
with

changes as (
    select
        :key,
        :watermark,
        :value,
        etl_op,
        etl_ts,
        etl_lsn,
        etl_seq,
        row_number() over in_order as number,
        lag(:watermark) over in_order as watermark_before,
        lag(:value) over in_order as value_before
    from :delta
    where etl_op in ('I', 'U')
    window in_order as (partition by :key order by etl_lsn, etl_seq)
),

compared as (
    select
        changes.*,
        case when number = 1 then stage.:watermark else watermark_before end as known_watermark,
        case when number = 1 then stage.:value else value_before end as known_value
    from changes
    left join :stage as stage using (:key) -- noqa: ST07
),

dated as (
    select
        *,
        coalesce(nullif(:watermark, known_watermark), etl_ts) as held_from
    from compared
    where :watermark is distinct from known_watermark or :value is distinct from known_value
)

select distinct on (:key, held_from)
    :key,
    held_from as :watermark,
    :value,
    :batch as etl_batch
from dated
order by :key asc, held_from asc, etl_lsn desc, etl_seq desc
