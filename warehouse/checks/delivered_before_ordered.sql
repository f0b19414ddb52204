-- kind: select
-- check: warn: orders that are delivered before they are placed
-- grain: one row per order
-- reads: :fact_order
-- rerun: gives the same rows
select
    fact.order_id,
    fact.ordered_ts,
    fact.delivered_ts
from :fact_order as fact
where fact.delivered_ts < fact.ordered_ts
