-- mart.order_status says which statuses are lost
with

wanted as (select order_status_key, is_lost from dwh.dim_order_status),

found as (select order_status_key, is_lost from mart.order_status)

select
    coalesce(wanted.order_status_key, found.order_status_key)::varchar as place,
    wanted::varchar as wanted,
    found::varchar as found
from wanted
full join found on wanted.order_status_key = found.order_status_key
where wanted is distinct from found
order by place
