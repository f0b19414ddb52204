-- kind: select
-- grain: one row per month and country
-- reads: counted_order
-- rerun: gives the same rows
-- Sums what orders add, or take away, as their sign says.
select
    month,
    country,
    sum(sign) as orders,
    coalesce(sum(sign) filter (where is_lost), 0) as lost_orders,
    coalesce(sum(sign * order_amount) filter (where not is_lost), 0) as sales,
    coalesce(sum(sign) filter (where not is_lost and fulfilment is not null), 0) as delivered_orders,
    coalesce(sum(sign * fulfilment) filter (where not is_lost), interval '0') as fulfilment
from counted_order
group by month, country
