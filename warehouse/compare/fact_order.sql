-- kind: select
-- grain: one row per order
-- reads: dwh.dim_address, dwh.dim_customer, dwh.dim_order_status, dwh.dim_payment_method, dwh.fact_order
-- rerun: gives the same rows
-- Gives orders with the source's keys of their members: surrogate keys are of one star alone.
select
    fact.order_id,
    customer.customer_id,
    address.address_id,
    payment.payment_method_id,
    status.order_status_id,
    fact.ordered_date_key,
    fact.delivered_date_key,
    fact.ordered_ts,
    fact.delivered_ts,
    fact.line_count,
    fact.order_amount,
    fact.is_deleted
from dwh.fact_order as fact
inner join dwh.dim_customer as customer on fact.customer_key = customer.customer_key
inner join dwh.dim_address as address on fact.address_key = address.address_key
inner join dwh.dim_payment_method as payment on fact.payment_method_key = payment.payment_method_key
inner join dwh.dim_order_status as status on fact.order_status_key = status.order_status_key
