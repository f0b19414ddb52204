-- kind: select
-- grain: one row per item of a partner's order and dimension whose row is missing, with the key of that row
-- reads: :changed, dwh.fact_partner_order, stage.partner_orders
-- rerun: gives the same rows
-- Looks at the items in :changed. A value that the partner leaves empty is unknown for good and not missing.
with

fact_partner_order as (
    select fact.* from dwh.fact_partner_order as fact
    inner join :changed as changed on fact.order_id = changed.order_id and fact.item_id = changed.item_id
    where fact.customer_key = -1 or (fact.delivered_date_key = -1 and fact.delivered_ts is not null)
),

partner_orders as (select * from stage.partner_orders)

select
    jsonb_build_array(partner_orders.order_id, partner_orders.item_id)::text as business_key,
    lookup.dimension,
    lookup.dimension_key
from fact_partner_order
inner join partner_orders
    on fact_partner_order.order_id = partner_orders.order_id and fact_partner_order.item_id = partner_orders.item_id
cross join
    lateral (
        values
        (
            'dim_customer',
            partner_orders.customer_id::text,
            fact_partner_order.customer_key = -1 and partner_orders.customer_id is not null
        ),
        (
            'dim_date',
            to_char(partner_orders.delivered_on at time zone 'UTC', 'YYYYMMDD')::bigint::text,
            fact_partner_order.delivered_date_key = -1 and partner_orders.delivered_on is not null
        )
    ) as lookup (dimension, dimension_key, is_missing)
where lookup.is_missing
