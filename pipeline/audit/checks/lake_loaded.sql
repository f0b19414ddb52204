-- extracts up to the end of stage are loaded, and what was loaded lies on the lake
with

wanted as (
    select extract.folder from lake.metadata as extract
    inner join etl.stage_batch as stage on extract.name = 'ops.' || stage.table_name
    where extract.folder like 'extract/%' and extract.to_watermark <= stage.loaded_to
),

found as (select folder from etl.stage_load where folder like 'extract/%')

select
    coalesce(wanted.folder, found.folder) as place,
    case when wanted.folder is null then 'not loaded, as it is not there' else 'loaded' end as wanted,
    case when found.folder is null then 'not loaded' else 'loaded' end as found
from wanted
full join found on wanted.folder = found.folder
where wanted.folder is null or found.folder is null
order by place
