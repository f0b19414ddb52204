-- kind: select
-- grain: one row per value of a history column and instant that :history does not hold yet, as batch :batch
-- reads: :history, :seen
-- rerun: gives nothing, once :history holds the rows
-- Takes the values in :seen, the rows of a repair. A value whose instant is new holds from that instant. A value that
-- replaced another one without a new instant, or that came back when the source was restored from a backup, holds from
-- the end of the repair (:until). Ignores the batches :later, loads after the repair.
with

latest as (
    select
        :key,
        known.:watermark,
        known.:value,
        row_number() over (partition by :key order by known.:watermark desc) as recency
    from :seen
    inner join :history as known using (:key) -- noqa: ST07
    where known.:watermark <= :until and not known.etl_batch = any(:later)
)

select
    :key,
    seen.:watermark,
    seen.:value,
    :batch as etl_batch
from :seen as seen
left join :history as known using (:key, :watermark) -- noqa: ST07
where known.etl_batch is null
union
select
    :key,
    :until as :watermark,
    seen.:value,
    :batch as etl_batch
from :seen as seen
inner join latest using (:key) -- noqa: ST07
where latest.recency = 1 and latest.:watermark >= seen.:watermark and latest.:value is distinct from seen.:value
