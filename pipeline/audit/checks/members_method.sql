-- members of dwh.dim_payment_method are the rows of stage
with

wanted as (
    select payment_method_id, name, is_deleted
    from (select payment_method_id, name, etl_deleted_ts is not null as is_deleted from stage.payment_methods)
),

found as (
    select payment_method_id, name, is_deleted
    from (select * from dwh.dim_payment_method where payment_method_key <> -1)
)

select
    coalesce(wanted.payment_method_id, found.payment_method_id)::varchar as place,
    wanted::varchar as wanted,
    found::varchar as found
from wanted
full join found on wanted.payment_method_id = found.payment_method_id
where wanted is distinct from found
order by place
