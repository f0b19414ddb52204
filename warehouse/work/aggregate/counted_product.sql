-- kind: select
-- grain: one row per month, country, status of the order, product and subtype
-- reads: :lines, :orders, dwh.dim_product, mart.product_before
-- rerun: gives the same rows
-- Sums the lines in :lines (columns of fact_order_line and a sign) of the orders in :orders, as the sign says. A line
-- of sign -1 goes out of the subtype that its product had when the aggregates were last kept. Counts an order once for
-- a product and once for a subtype, with the first of the lines that hold it. Leaves out deleted lines.
with

lines as (
    select
        orders.sign,
        orders.order_id,
        orders.month,
        orders.country,
        orders.order_status_key,
        product.product_id,
        line.line_amount,
        coalesce(before.product_subtype, product.product_subtype) as product_subtype
    from :lines as line
    inner join :orders as orders on line.order_id = orders.order_id and line.sign = orders.sign
    inner join dwh.dim_product as product on line.product_key = product.product_key
    left join mart.product_before as before on line.product_key = before.product_key and line.sign = -1
    where not line.is_deleted
),

firsts as (
    select
        *,
        (lag(product_id) over of_order is distinct from product_id) as is_first_of_product,
        (lag(product_subtype) over of_order is distinct from product_subtype) as is_first_of_subtype
    from lines
    window of_order as (partition by order_id, sign order by product_subtype, product_id)
)

select
    month,
    country,
    order_status_key,
    product_id,
    product_subtype,
    sum(sign * line_amount) as sales,
    coalesce(sum(sign) filter (where is_first_of_product), 0) as product_orders,
    coalesce(sum(sign) filter (where is_first_of_subtype), 0) as subtype_orders
from firsts
group by month, country, order_status_key, product_id, product_subtype
