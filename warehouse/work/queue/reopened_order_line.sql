-- kind: select
-- grain: one row per order line and dimension whose key may change when work.dim_product is written
-- reads: dwh.dim_product, dwh.fact_order_line, etl.reprocessing_queue, work.dim_product
-- rerun: gives the same rows, until dwh.dim_product is written
-- Finds the order lines that the load of fact_order_line has to look at again: those of a product ordered on the days
-- of a new or moved version, those that wait for a version of such a product, and all lines of a product whose supplier
-- changed.
with

versions as (select * from work.dim_product),

before as (
    select * from dwh.dim_product
    where product_id in (select product_id from versions)
),

spliced as (
    select
        versions.product_id,
        to_char(versions.valid_from at time zone 'UTC', 'YYYYMMDD')::bigint as first_date_key,
        to_char(versions.valid_to at time zone 'UTC', 'YYYYMMDD')::bigint as last_date_key
    from versions
    left join before on versions.product_key = before.product_key
    where
        (before.product_key is null or versions.valid_from < before.valid_from)
        -- Lines of a product without any version already wait in the queue.
        and versions.product_id in (select before.product_id from before)
),

resupplied as (
    select versions.product_id
    from versions
    inner join before on versions.product_key = before.product_key
    where versions.supplier_id is distinct from before.supplier_id
)

select
    line.order_id || '/' || line.line_number as business_key,
    'dim_product' as dimension
from spliced
inner join before on spliced.product_id = before.product_id
inner join dwh.fact_order_line as line
    on
        before.product_key = line.product_key
        and line.ordered_date_key between spliced.first_date_key and spliced.last_date_key
union
select
    queue.business_key,
    queue.dimension
from spliced
inner join etl.reprocessing_queue as queue on spliced.product_id::text = queue.dimension_key
where queue.fact_table = 'fact_order_line' and queue.dimension = 'dim_product' and queue.resolved_ts is null
union
select
    line.order_id || '/' || line.line_number as business_key,
    'dim_supplier' as dimension
from resupplied
inner join before on resupplied.product_id = before.product_id
inner join dwh.fact_order_line as line on before.product_key = line.product_key
