-- kind: select
-- grain: one row per month, country and subtype
-- reads: counted_line
-- rerun: gives the same rows
-- Sums what order lines add, or take away, as their sign says.
select
    month,
    country,
    product_subtype,
    sum(sign * line_amount) as sales,
    sum(subtype_orders) as orders
from counted_line
group by month, country, product_subtype
