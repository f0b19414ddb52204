-- kind: select
-- grain: one row per order line
-- reads: :order_lines, :orders, dwh.dim_date, dwh.dim_product, dwh.dim_supplier
-- rerun: gives the same rows
-- Takes :orders and :order_lines: the tables of stage or, in a daily load, their rows for the changed orders.
-- The product is the version that was valid when the order was placed, the supplier the present one of the product.
-- A key is -1 if the dimension has no row, or the order is not there yet.
with

orders as (
    select
        placed.order_id,
        placed.ordered_ts,
        placed.etl_deleted_ts,
        dim_date.date_key
    from :orders as placed
    left join dwh.dim_date on (placed.ordered_ts at time zone 'UTC')::date = dim_date.date
),

order_lines as (select source.* from :order_lines as source),

products as (
    select
        dim_product.product_key,
        dim_product.product_id,
        dim_product.valid_from,
        dim_product.valid_to,
        dim_supplier.supplier_key
    from dwh.dim_product
    left join dwh.dim_supplier on dim_product.supplier_id = dim_supplier.supplier_id
)

select
    order_lines.order_id,
    order_lines.line_number,
    coalesce(products.product_key, -1) as product_key,
    coalesce(products.supplier_key, -1) as supplier_key,
    coalesce(orders.date_key, -1) as ordered_date_key,
    order_lines.quantity,
    order_lines.unit_price,
    order_lines.quantity * order_lines.unit_price as line_amount,
    order_lines.etl_deleted_ts is not null or orders.etl_deleted_ts is not null as is_deleted
from order_lines
left join orders on order_lines.order_id = orders.order_id
left join products
    on
        order_lines.product_id = products.product_id
        and orders.ordered_ts >= products.valid_from
        and orders.ordered_ts < products.valid_to
