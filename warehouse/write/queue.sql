-- kind: write
-- reads: :select
-- writes: etl.reprocessing_queue
-- rerun: counts one attempt more
-- Opens the rows of a select (business_key, dimension, dimension_key) in the queue of :fact. A row that is open already
-- gets one more attempt. An unknown key (the day of an infinite instant) is empty, because no member has it.
insert into etl.reprocessing_queue (fact_table, business_key, dimension, dimension_key)
select
    :fact as fact_table,
    business_key,
    dimension,
    coalesce(dimension_key, '') as dimension_key
from (:select) as missing
on conflict (fact_table, business_key, dimension) where resolved_ts is null
do update set attempts = reprocessing_queue.attempts + 1, dimension_key = excluded.dimension_key
