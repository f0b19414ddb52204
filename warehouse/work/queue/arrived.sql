-- kind: select
-- grain: one row per row of the queue of :fact that waits for one of the members
-- reads: :members, etl.reprocessing_queue
-- rerun: gives the same rows
-- Takes members of :dimension by the source's key as text: those that are new since the last load of the fact.
select queue.business_key
from :members as member
inner join etl.reprocessing_queue as queue on member.dimension_key = queue.dimension_key
where queue.fact_table = :fact and queue.dimension = :dimension and queue.resolved_ts is null
