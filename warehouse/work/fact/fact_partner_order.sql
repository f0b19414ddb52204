-- kind: select
-- grain: one row per item of a partner's order
-- reads: :partner_orders, dwh.dim_customer, dwh.dim_date
-- rerun: gives the same rows
-- Takes :partner_orders: the table of stage or, in a daily load, its changed rows. A key is -1 if the dimension has no
-- row.
with

partner_orders as (select source.* from :partner_orders as source)

select
    partner_orders.order_id,
    partner_orders.item_id,
    coalesce(dim_customer.customer_key, -1) as customer_key,
    coalesce(dim_date.date_key, -1) as delivered_date_key,
    coalesce(partner_orders.item_name, 'Unknown') as item_name,
    partner_orders.delivered_on as delivered_ts
from partner_orders
left join dwh.dim_customer on partner_orders.customer_id = dim_customer.customer_id
left join dwh.dim_date on (partner_orders.delivered_on at time zone 'UTC')::date = dim_date.date
