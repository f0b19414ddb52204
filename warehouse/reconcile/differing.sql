-- kind: select
-- grain: one row per key in which source_row and :hashed, a relation of stage, differ, in some :buckets
-- reads: :hashed, etl.rejected_row, source_row
-- rerun: gives the same rows
-- Says how they differ, and whether a row of that key was rejected.
with

stage_row as (select hashed.* from :hashed where hashed.bucket = any(:buckets))

select
    case
        when stage_row.hash is null then 'missing'
        when source_row.hash is null then 'vanished'
        else 'changed'
    end as kind,
    exists(select from etl.rejected_row where source = :source and :same_key) as is_rejected,
    :key
from source_row
full join stage_row using (:key) -- noqa: ST07
where source_row.hash is distinct from stage_row.hash
order by :key
