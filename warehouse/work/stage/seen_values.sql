-- Each value of a history column in :seen, a relation of source rows: key, instant from which it holds, value, batch
-- :batch. A rerun gives the same.
select
    :columns,
    :batch as etl_batch
from :seen
