-- kind: write
-- reads: :select
-- writes: etl.reprocessing_queue
-- rerun: counts one attempt more
-- Opens the rows of a select (business_key, dimension) in the queue of :fact; what is open is tried once more.
insert into etl.reprocessing_queue (fact_table, business_key, dimension)
select
    :fact as fact_table,
    business_key,
    dimension
from (:select) as missing
on conflict (fact_table, business_key, dimension) where resolved_ts is null
do update set attempts = reprocessing_queue.attempts + 1
