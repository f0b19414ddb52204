-- kind: select
-- grain: one row per month, country and product
-- reads: counted_line
-- rerun: gives the same rows
-- Sums what order lines add, or take away, as their sign says.
select
    month,
    country,
    product_id,
    sum(sign * line_amount) as sales,
    sum(product_orders) as orders
from counted_line
group by month, country, product_id
