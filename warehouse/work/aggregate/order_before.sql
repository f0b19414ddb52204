-- kind: select
-- grain: one row per order in work.fact_order
-- reads: dwh.fact_order, work.fact_order
-- rerun: gives the same rows, until dwh.fact_order is written
-- Gives how the orders that are about to be written stand until now; NULLs where there is no such order yet.
select
    work.order_id,
    old.customer_key,
    old.address_key,
    old.order_status_key,
    old.ordered_ts,
    old.delivered_ts,
    old.order_amount,
    old.is_deleted
from work.fact_order as work
left join dwh.fact_order as old on work.order_id = old.order_id
