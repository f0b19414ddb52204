-- open rows of etl.reprocessing_queue are those facts whose member is not there
with

found as (
    select fact_table as fact, business_key as row_key, dimension from etl.reprocessing_queue
    where resolved_ts is null
)

select
    coalesce(wanted.fact, found.fact) || ' ' || coalesce(wanted.row_key, found.row_key) as place,
    'waits for ' || wanted.dimension as wanted,
    'waits for ' || found.dimension as found
from want.queue as wanted
full join found
    on wanted.fact = found.fact and wanted.row_key = found.row_key and wanted.dimension = found.dimension
where wanted.fact is null or found.fact is null
order by place
