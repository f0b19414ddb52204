-- kind: select
-- grain: one row per row of the queue of :fact that its next load looks at, whatever has come
-- reads: etl.reprocessing_queue
-- rerun: gives the same rows
-- Finds what a dimension reopened, and what an earlier version queued without the key that is missing.
select business_key
from etl.reprocessing_queue
where fact_table = :fact and dimension_key is null and resolved_ts is null
