-- kind: select
-- grain: one row per day, country and status
-- reads: counted_order
-- rerun: gives the same rows
-- Sums what orders add, or take away, as their sign says.
select
    day,
    month,
    country,
    order_status_key,
    sum(sign) as orders,
    sum(sign * order_amount) as sales
from counted_order
group by day, month, country, order_status_key
