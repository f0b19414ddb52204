-- kind: select
-- grain: one row per order
-- reads: :order_lines, :orders, dwh.dim_address, dwh.dim_customer, dwh.dim_date, dwh.dim_order_status,
--     dwh.dim_payment_method
-- rerun: gives the same rows
-- Takes :orders and :order_lines: the tables of stage or, in a daily load, their rows for the changed orders.
-- A key is -1 if the dimension has no row. Leaves deleted lines out of the amount, except for an order that is deleted
-- itself: its row stays as it was.
with

orders as (select source.* from :orders as source),

order_lines as (select source.* from :order_lines as source),

amounts as (
    select
        order_id,
        count(*) as line_count,
        sum(quantity * unit_price) as order_amount,
        count(etl_deleted_ts) as deleted_line_count,
        coalesce(sum(quantity * unit_price) filter (where etl_deleted_ts is not null), 0) as deleted_amount
    from order_lines
    group by order_id
),

-- The order makes PostgreSQL merge both as they lie, before it looks up any key.
measured as (
    select
        orders.*,
        coalesce(
            amounts.line_count - case when orders.etl_deleted_ts is null then amounts.deleted_line_count else 0 end, 0
        ) as line_count,
        coalesce(
            amounts.order_amount - case when orders.etl_deleted_ts is null then amounts.deleted_amount else 0 end, 0
        ) as order_amount
    from orders
    left join amounts on orders.order_id = amounts.order_id
    order by orders.order_id
)

select
    measured.order_id,
    coalesce(dim_customer.customer_key, -1) as customer_key,
    coalesce(dim_address.address_key, -1) as address_key,
    coalesce(dim_payment_method.payment_method_key, -1) as payment_method_key,
    coalesce(dim_order_status.order_status_key, -1) as order_status_key,
    coalesce(ordered_date.date_key, -1) as ordered_date_key,
    coalesce(delivered_date.date_key, -1) as delivered_date_key,
    measured.ordered_ts,
    measured.delivered_ts,
    measured.line_count,
    measured.order_amount,
    measured.etl_deleted_ts is not null as is_deleted
from measured
left join dwh.dim_customer on measured.customer_id = dim_customer.customer_id
left join dwh.dim_address on measured.address_id = dim_address.address_id
left join dwh.dim_payment_method on measured.payment_method_id = dim_payment_method.payment_method_id
left join dwh.dim_order_status on measured.order_status_id = dim_order_status.order_status_id
left join dwh.dim_date as ordered_date on (measured.ordered_ts at time zone 'UTC')::date = ordered_date.date
left join dwh.dim_date as delivered_date on (measured.delivered_ts at time zone 'UTC')::date = delivered_date.date
