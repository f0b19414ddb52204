-- kind: select
-- grain: one row per item of a partner's order
-- reads: dwh.dim_customer, dwh.fact_partner_order
-- rerun: gives the same rows
-- Gives items with the source's keys of their members.
select
    fact.order_id,
    fact.item_id,
    customer.customer_id,
    fact.delivered_date_key,
    fact.item_name,
    fact.delivered_ts
from dwh.fact_partner_order as fact
inner join dwh.dim_customer as customer on fact.customer_key = customer.customer_key
