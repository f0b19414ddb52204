-- kind: select
-- grain: one row per order line and sign, of the orders in counted_order
-- reads: :lines, counted_order, dwh.dim_product, mart.product_before
-- rerun: gives the same rows
-- Gives what the aggregates ask of the lines in :lines (columns of fact_order_line and a sign). Says which line of an
-- order is the first that holds its product, and its subtype: with it the order counts. A product of sign -1 has the
-- subtype of when the aggregates were last kept. Leaves out deleted lines.
with

lines as (
    select
        line.sign,
        line.order_id,
        line.product_key,
        line.line_amount,
        product.product_id,
        coalesce(before.product_subtype, product.product_subtype) as product_subtype
    from :lines as line
    inner join dwh.dim_product as product on line.product_key = product.product_key
    left join mart.product_before as before on line.product_key = before.product_key and line.sign = -1
    where not line.is_deleted
),

-- Before the orders come in, so that few columns are sorted.
firsts as (
    select
        sign,
        order_id,
        product_key,
        line_amount,
        (lag(product_id) over of_order is distinct from product_id) as is_first_of_product,
        (lag(product_subtype) over of_order is distinct from product_subtype) as is_first_of_subtype
    from lines
    window of_order as (partition by order_id, sign order by product_subtype, product_id)
)

select
    firsts.sign,
    counted_order.month,
    counted_order.country,
    counted_order.order_status_key,
    firsts.product_key,
    firsts.line_amount,
    firsts.is_first_of_product,
    firsts.is_first_of_subtype
from firsts
inner join counted_order on firsts.order_id = counted_order.order_id and firsts.sign = counted_order.sign
