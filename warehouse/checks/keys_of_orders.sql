-- kind: select
-- check: error: orders with a key that its dimension does not have
-- grain: one row per order
-- reads: :fact_order, dwh.dim_address, dwh.dim_customer, dwh.dim_date, dwh.dim_order_status, dwh.dim_payment_method
-- rerun: gives the same rows
select
    fact.order_id,
    fact.customer_key,
    fact.address_key,
    fact.payment_method_key,
    fact.order_status_key,
    fact.ordered_date_key,
    fact.delivered_date_key
from :fact_order as fact
left join dwh.dim_customer as customer on fact.customer_key = customer.customer_key
left join dwh.dim_address as address on fact.address_key = address.address_key
left join dwh.dim_payment_method as method on fact.payment_method_key = method.payment_method_key
left join dwh.dim_order_status as status on fact.order_status_key = status.order_status_key
left join dwh.dim_date as ordered on fact.ordered_date_key = ordered.date_key
left join dwh.dim_date as delivered on fact.delivered_date_key = delivered.date_key
where
    customer.customer_key is null or address.address_key is null or method.payment_method_key is null
    or status.order_status_key is null or ordered.date_key is null or delivered.date_key is null
