-- kind: write
-- reads: :select
-- writes: etl.reprocessing_queue
-- rerun: changes nothing
-- Makes the next load of :fact look at the rows of a select (business_key, dimension), waiting or not.
insert into etl.reprocessing_queue (fact_table, business_key, dimension)
select
    :fact as fact_table,
    business_key,
    dimension
from (:select) as reopened
on conflict (fact_table, business_key, dimension) where resolved_ts is null
do update set dimension_key = null
