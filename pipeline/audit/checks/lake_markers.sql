-- markers of LoadStage are of extracts that lie on the lake
select
    marker.update_id as place,
    'a finished extract of ' || regexp_extract(marker.update_id, 'stage\.(ops\.\w+)', 1)
    || ' of ' || marker.load_date as wanted,
    'none' as found
from etl.marker as marker
where
    marker.update_id like 'LoadStage(stage.ops.%'
    and not exists (
        select 1 from lake.metadata as extract
        where
            extract.name = regexp_extract(marker.update_id, 'stage\.(ops\.\w+)', 1)
            and extract.folder like '%/date=' || marker.load_date || '%'
    )
    and not exists (select 1 from lake.file where name like 'log/%')
order by place
