-- The queue of :fact after its load: rows of the temporary table missing are opened or tried once more, what is open
-- and no longer missing is closed. Every open row was looked at, so a rerun counts one attempt more and nothing else.
with

closed as (
    update etl.reprocessing_queue as queue
    set resolved_ts = now()
    where
        fact_table = :fact
        and resolved_ts is null
        and not exists (
            select from missing
            where missing.business_key = queue.business_key and missing.dimension = queue.dimension
        )
)

insert into etl.reprocessing_queue (fact_table, business_key, dimension)
select
    :fact as fact_table,
    business_key,
    dimension
from missing
on conflict (fact_table, business_key, dimension) where resolved_ts is null
do update set attempts = reprocessing_queue.attempts + 1
