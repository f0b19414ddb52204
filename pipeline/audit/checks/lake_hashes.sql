-- data of an extract are those of which its metadata has the hash
select
    wanted.folder as place,
    wanted.sha256 as wanted,
    coalesce(found.sha256, 'no file ' || wanted.data) as found
from lake.metadata as wanted
left join lake.hashed as found on wanted.folder || '/' || wanted.data = found.name
where wanted.name like 'ops.%' and wanted.sha256 is distinct from found.sha256
order by place
