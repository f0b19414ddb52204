-- kind: select
-- grain: one row per value of a history column that :history does not hold, as batch :batch
-- reads: :history, :seen
-- rerun: gives nothing, once :history holds the rows
-- Takes the values in :seen, the rows of a repair. A value that took the place of another without saying when holds
-- from the end of the repair (:until) on.
select
    :key,
    case when known.:value is null then seen.:watermark else :until end as :watermark,
    seen.:value,
    :batch as etl_batch
from :seen as seen
left join :history as known using (:key, :watermark) -- noqa: ST07
where known.:value is distinct from seen.:value
