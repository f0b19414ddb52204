-- kind: select
-- grain: one row per order line and dimension whose row is missing, with the key of that row
-- reads: :changed, dwh.dim_product, dwh.fact_order_line, stage.order_lines, stage.orders
-- rerun: gives the same rows
-- Looks at the orders in :changed. If the order itself is missing, the line waits for the order, but not one that was
-- deleted: its order may never come, and if it does, all its lines are looked at.
with

fact_order_line as (
    select * from dwh.fact_order_line
    where
        order_id in (select order_id from :changed)
        and (product_key = -1 or supplier_key = -1 or ordered_date_key = -1)
),

orders as (select * from stage.orders),

order_lines as (select * from stage.order_lines),

dim_product as (select * from dwh.dim_product)

select
    fact_order_line.order_id || '/' || fact_order_line.line_number as business_key,
    lookup.dimension,
    lookup.dimension_key
from fact_order_line
inner join order_lines
    on fact_order_line.order_id = order_lines.order_id and fact_order_line.line_number = order_lines.line_number
left join orders on fact_order_line.order_id = orders.order_id
left join dim_product on fact_order_line.product_key = dim_product.product_key
cross join
    lateral (
        values
        (
            'fact_order',
            fact_order_line.order_id::text,
            orders.order_id is null and not fact_order_line.is_deleted
        ),
        (
            'dim_date',
            to_char(orders.ordered_ts at time zone 'UTC', 'YYYYMMDD')::bigint::text,
            orders.order_id is not null and fact_order_line.ordered_date_key = -1
        ),
        (
            'dim_product',
            order_lines.product_id::text,
            orders.order_id is not null and fact_order_line.product_key = -1 and order_lines.product_id is not null
        ),
        (
            'dim_supplier',
            dim_product.supplier_id::text,
            fact_order_line.product_key <> -1
            and fact_order_line.supplier_key = -1
            and dim_product.supplier_id is not null
        )
    ) as lookup (dimension, dimension_key, is_missing)
where lookup.is_missing
