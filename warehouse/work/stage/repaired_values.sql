-- kind: select
-- grain: one row per value of a history column and instant that :history does not hold so, as batch :batch
-- reads: :history, :seen
-- rerun: gives nothing, once :history holds the rows
-- Takes the values in :seen, the rows of a repair. A value of an instant that was not known holds from then on. One
-- that took the place of another without saying when, or to which a source that was restored from its backup went back,
-- holds from the end of the repair (:until) on. The batches :later, loads after the repair, are passed over.
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
