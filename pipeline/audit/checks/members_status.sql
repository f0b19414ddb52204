-- members of dwh.dim_order_status are the rows of stage
with

wanted as (
    select order_status_id, name, is_lost, is_deleted
    from (select order_status_id, name, is_lost, etl_deleted_ts is not null as is_deleted from stage.order_statuses)
),

found as (
    select order_status_id, name, is_lost, is_deleted
    from (select * from dwh.dim_order_status where order_status_key <> -1)
)

select
    coalesce(wanted.order_status_id, found.order_status_id)::varchar as place,
    wanted::varchar as wanted,
    found::varchar as found
from wanted
full join found on wanted.order_status_id = found.order_status_id
where wanted is distinct from found
order by place
