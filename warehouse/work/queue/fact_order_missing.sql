-- kind: select
-- grain: one row per order and dimension whose row is missing, with the key of that row
-- reads: :changed, dwh.fact_order, stage.orders
-- rerun: gives the same rows
-- Looks at the orders in :changed. A key that is empty in the source is unknown for good and not missing.
with

fact_order as (
    select * from dwh.fact_order
    where
        order_id in (select order_id from :changed)
        and (
            customer_key = -1 or address_key = -1 or payment_method_key = -1 or order_status_key = -1
            or ordered_date_key = -1 or (delivered_date_key = -1 and delivered_ts is not null)
        )
),

orders as (select * from stage.orders)

select
    orders.order_id::text as business_key,
    lookup.dimension,
    lookup.dimension_key
from fact_order
inner join orders on fact_order.order_id = orders.order_id
cross join
    lateral (
        values
        ('dim_customer', fact_order.customer_key, orders.customer_id::text, orders.customer_id is not null),
        ('dim_address', fact_order.address_key, orders.address_id::text, orders.address_id is not null),
        (
            'dim_payment_method',
            fact_order.payment_method_key,
            orders.payment_method_id::text,
            orders.payment_method_id is not null
        ),
        (
            'dim_order_status',
            fact_order.order_status_key,
            orders.order_status_id::text,
            orders.order_status_id is not null
        ),
        (
            'dim_date',
            least(
                fact_order.ordered_date_key,
                case when orders.delivered_ts is not null then fact_order.delivered_date_key end
            ),
            to_char(
                case when fact_order.ordered_date_key = -1 then orders.ordered_ts else orders.delivered_ts end
                at time zone 'UTC', 'YYYYMMDD'
            )::bigint::text,
            true
        )
    ) as lookup (dimension, key, dimension_key, expected)
where lookup.key = -1 and lookup.expected
