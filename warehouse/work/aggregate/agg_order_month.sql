-- kind: select
-- grain: one row per month, country and status
-- reads: counted_order
-- rerun: gives the same rows
-- Sums what orders add, or take away, as their sign says.
select
    month,
    country,
    order_status_key,
    sum(sign) as orders,
    sum(sign * order_amount) as sales,
    coalesce(sum(sign) filter (where fulfilment is not null), 0) as delivered_orders,
    coalesce(sum(sign * fulfilment), 0) as fulfilment
from counted_order
group by month, country, order_status_key
