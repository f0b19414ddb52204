-- kind: select
-- check: error: orders that are placed or delivered later than now
-- grain: one row per order
-- reads: :fact_order
-- rerun: gives the same rows, or fewer as time passes
select
    fact.order_id,
    fact.ordered_ts,
    fact.delivered_ts
from :fact_order as fact
where fact.ordered_ts > now() or fact.delivered_ts > now()
