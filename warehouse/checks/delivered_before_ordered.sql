-- warn: orders that are delivered before they are placed
select
    fact.order_id,
    fact.ordered_ts,
    fact.delivered_ts
from :fact_order as fact
where fact.delivered_ts < fact.ordered_ts
