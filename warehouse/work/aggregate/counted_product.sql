-- kind: select
-- grain: one row per sign, month, country, status of the order and version of a product
-- reads: counted_line, dwh.dim_product, mart.product_before
-- rerun: gives the same rows
-- Sums what order lines add, or take away, as their sign says. Takes away from the subtype that a product had when the
-- aggregates were last kept. An order counts once for a product and once for a subtype.
with

-- By the keys alone, which millions of lines have: the names come in after.
sums as (
    select
        sign,
        month,
        country,
        order_status_key,
        product_key,
        sum(line_amount) as sales,
        count(*) filter (where is_first_of_product) as product_orders,
        count(*) filter (where is_first_of_subtype) as subtype_orders
    from counted_line
    group by sign, month, country, order_status_key, product_key
)

select
    sums.month,
    sums.country,
    sums.order_status_key,
    product.product_id,
    coalesce(before.product_subtype, product.product_subtype) as product_subtype,
    sums.sign * sums.sales as sales,
    sums.sign * sums.product_orders as product_orders,
    sums.sign * sums.subtype_orders as subtype_orders
from sums
inner join dwh.dim_product as product on sums.product_key = product.product_key
left join mart.product_before as before on sums.product_key = before.product_key and sums.sign = -1
