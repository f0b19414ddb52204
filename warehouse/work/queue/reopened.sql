-- kind: select
-- grain: one row per row of the queue of :fact that its next load looks at, even without new members
-- reads: etl.reprocessing_queue
-- rerun: gives the same rows
-- Finds rows that a dimension reopened, and rows that an earlier version queued without the missing key.
select business_key
from etl.reprocessing_queue
where fact_table = :fact and dimension_key is null and resolved_ts is null
