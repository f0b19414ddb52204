-- kind: select
-- check: error: items of partners' orders with a key that its dimension does not have
-- grain: one row per item of a partner's order
-- reads: :fact_partner_order, dwh.dim_customer, dwh.dim_date
-- rerun: gives the same rows
select
    fact.order_id,
    fact.item_id,
    fact.customer_key,
    fact.delivered_date_key
from :fact_partner_order as fact
left join dwh.dim_customer as customer on fact.customer_key = customer.customer_key
left join dwh.dim_date as delivered on fact.delivered_date_key = delivered.date_key
where customer.customer_key is null or delivered.date_key is null
