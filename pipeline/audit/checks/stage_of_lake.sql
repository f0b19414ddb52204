-- rows of stage.{table} are the newest of their key on the lake
with

wanted as (select * from expected.{table}),

found as (select * exclude (etl_batch, etl_deleted_ts) from stage.{table})

select
    {shown} as place,
    wanted::varchar as wanted,
    found::varchar as found
from wanted
full join found on {using}
where wanted is distinct from found and not {is_rejected}
order by place
