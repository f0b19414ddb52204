-- How the orders in work.fact_order, which are about to be written, stand until now. A rerun gives the same.
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
