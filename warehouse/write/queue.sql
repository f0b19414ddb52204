-- kind: write
-- reads: :select
-- writes: etl.reprocessing_queue
-- rerun: counts one attempt more
-- Opens the rows of a select (business_key, dimension, dimension_key) in the queue of :fact; what is open was tried
-- once more. A key that cannot be told (the day of an infinite instant) is empty: nothing arrives that has it.
insert into etl.reprocessing_queue (fact_table, business_key, dimension, dimension_key)
select
    :fact as fact_table,
    business_key,
    dimension,
    coalesce(dimension_key, '') as dimension_key
from (:select) as missing
on conflict (fact_table, business_key, dimension) where resolved_ts is null
do update set attempts = reprocessing_queue.attempts + 1, dimension_key = excluded.dimension_key
