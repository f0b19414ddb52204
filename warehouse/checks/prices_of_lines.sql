-- kind: select
-- check: error: lines sold at the price that the source had for the product then, but keyed to a version with another
-- grain: one row per order line
-- reads: :fact_order_line, dwh.dim_product, dwh.fact_order, etl.reprocessing_queue, stage.products_version
-- rerun: gives the same rows
with

source_prices as (
    select
        product_id,
        unit_price,
        updated_ts as valid_from,
        lead(updated_ts, 1, '9999-12-31 00:00:00+00') over (partition by product_id order by updated_ts) as valid_to
    from stage.products_version
)

select
    line.order_id,
    line.line_number,
    line.unit_price,
    version.unit_price as version_price
from :fact_order_line as line
inner join dwh.dim_product as version on line.product_key = version.product_key
inner join dwh.fact_order on line.order_id = fact_order.order_id
inner join source_prices
    on
        version.product_id = source_prices.product_id
        and fact_order.ordered_ts >= source_prices.valid_from
        and fact_order.ordered_ts < source_prices.valid_to
        and line.unit_price = source_prices.unit_price
where
    line.unit_price <> version.unit_price
    -- A version that came late queues its lines, which get it with the next load of the fact.
    and not exists (
        select from etl.reprocessing_queue as queue
        where
            queue.fact_table = 'fact_order_line'
            and queue.dimension = 'dim_product'
            and queue.business_key = line.order_id || '/' || line.line_number
            and queue.dimension_key is null
            and queue.resolved_ts is null
    )
