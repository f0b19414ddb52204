-- kind: select
-- grain: one row per month, country, subtype and status of the order
-- reads: counted_product
-- rerun: gives the same rows
-- Sums what order lines add, or take away.
select
    month,
    country,
    product_subtype,
    order_status_key,
    sum(sales) as sales,
    sum(subtype_orders) as orders
from counted_product
group by month, country, product_subtype, order_status_key
