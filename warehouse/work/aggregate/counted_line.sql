-- kind: select
-- grain: one row per order line and sign, of the orders in counted_order that are not lost
-- reads: :lines, counted_order, dwh.dim_product
-- rerun: gives the same rows
-- Gives what the aggregates ask of the lines in :lines (columns of fact_order_line and a sign). Counts an order once
-- for a product and for a subtype, with the first of the lines that hold it: its product_orders and subtype_orders are
-- the sign, those of the others are 0. Leaves out deleted lines.
with

lines as (
    select
        counted_order.sign,
        counted_order.order_id,
        counted_order.month,
        counted_order.country,
        product.product_id,
        product.product_subtype,
        line.line_amount
    from :lines as line
    inner join counted_order on line.order_id = counted_order.order_id and line.sign = counted_order.sign
    inner join dwh.dim_product as product on line.product_key = product.product_key
    where not counted_order.is_lost and not line.is_deleted
)

select
    sign,
    month,
    country,
    product_id,
    product_subtype,
    line_amount,
    sign * (lag(product_id) over of_order is distinct from product_id)::integer as product_orders,
    sign * (lag(product_subtype) over of_order is distinct from product_subtype)::integer as subtype_orders
from lines
window of_order as (partition by order_id, sign order by product_subtype, product_id)
