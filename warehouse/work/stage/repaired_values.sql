-- As seen_values, of a repair, whose rows are in :seen. A value that took the place of another without saying when
-- holds from the end of the repair (:until) on. A rerun gives nothing.
select
    :key,
    case when known.:value is null then seen.:watermark else :until end as :watermark,
    seen.:value,
    :batch as etl_batch
from :seen as seen
left join :history as known using (:key, :watermark) -- noqa: ST07
where known.:value is distinct from seen.:value
