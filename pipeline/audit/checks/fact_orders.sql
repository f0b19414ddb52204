-- orders of dwh.fact_order have the keys, instants and amounts of stage and the dimensions
with

wanted as (
    select
        order_id,
        customer_key,
        address_key,
        payment_method_key,
        order_status_key,
        ordered_date_key,
        delivered_date_key,
        ordered_ts,
        delivered_ts,
        line_count,
        order_amount,
        is_deleted
    from want.fact_order
),

found as (
    select
        order_id,
        customer_key,
        address_key,
        payment_method_key,
        order_status_key,
        ordered_date_key,
        delivered_date_key,
        ordered_ts,
        delivered_ts,
        line_count,
        order_amount,
        is_deleted
    from dwh.fact_order
)

select
    coalesce(wanted.order_id, found.order_id)::varchar as place,
    wanted::varchar as wanted,
    found::varchar as found
from wanted
full join found on wanted.order_id = found.order_id
where wanted is distinct from found
order by place
