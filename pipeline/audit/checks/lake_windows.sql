-- extracts of a table follow each other, without a gap and without an overlap
with

extracts as (
    select
        name, folder, try_cast(from_watermark as timestamptz) at time zone 'UTC' as begins, to_watermark as ends,
        lag(to_watermark) over each_table as end_before
    from lake.metadata
    where folder like 'extract/ops.%'
    window each_table as (partition by name order by to_watermark, folder)
)

select folder as place, 'begins ' || end_before as wanted, 'begins ' || coalesce(begins::varchar, '-infinity') as found
from extracts
where end_before is not null and begins is distinct from end_before
order by place
