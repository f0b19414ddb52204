-- One row per order line of the relation lines (columns of fact_order_line and a sign) that belongs to an
-- order in counted_order that is not lost, with what the aggregates ask of it. An order counts once for a product and
-- for a subtype, with the first of the lines that hold it: its products and subtypes are the sign, the others' are 0.
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
