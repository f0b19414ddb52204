-- kind: select
-- grain: one row per order and sign
-- reads: :orders, dwh.dim_address, dwh.dim_order_status
-- rerun: gives the same rows
-- Gives what the aggregates ask of the orders in :orders (columns of fact_order and a sign). The sign is 1 for an order
-- that comes in and -1 for one that goes out. Leaves out deleted orders.
select
    fact.sign,
    fact.order_id,
    fact.customer_key,
    date_trunc('month', fact.ordered_ts at time zone 'UTC')::date as month,
    date_trunc('quarter', fact.ordered_ts at time zone 'UTC')::date as quarter,
    address.country,
    status.is_lost,
    fact.order_amount,
    fact.delivered_ts - fact.ordered_ts as fulfilment
from :orders as fact
inner join dwh.dim_address as address on fact.address_key = address.address_key
inner join dwh.dim_order_status as status on fact.order_status_key = status.order_status_key
where not fact.is_deleted
