-- Keeps in mart.order_before how the orders in work.fact_order stood until now: the first time that they are written
-- since LoadMart last ran. A rerun changes nothing.
insert into mart.order_before (
    order_id, customer_key, address_key, order_status_key, ordered_ts, delivered_ts, order_amount,
    is_deleted
)
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
on conflict (order_id) do nothing
