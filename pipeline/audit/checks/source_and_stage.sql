-- rows of stage.{table} are those of the source, but for what was changed there since the load
with

loaded as (
    select coalesce(max(loaded_to), timestamp '1900-01-01') as up_to from etl.stage_batch
    where table_name = '{table}'
),

wanted as (select {common} from source.{table}),

found as (select {common}, etl_deleted_ts is not null as is_gone from stage.{table})

select
    {shown} as place,
    coalesce(wanted::varchar, 'no row, as the source has none') as wanted,
    case when found.is_gone then 'marked as deleted' else found::varchar end as found
from wanted
full join found on {using}
cross join loaded
where
    case
        when {is_missing} then not found.is_gone
        else wanted.updated_ts < loaded.up_to
            and (found.is_gone is null or found.is_gone or wanted is distinct from {found_common})
    end
    and not {is_rejected}
order by place
