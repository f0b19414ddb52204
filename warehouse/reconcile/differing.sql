-- kind: select
-- grain: one row per key with different rows in source_row and :hashed, a relation of stage, in some :buckets
-- reads: :hashed, etl.rejected_row, source_row
-- rerun: gives the same rows
-- Tells how they differ, and whether a row of that key was rejected. A row rejected by an earlier version has its key
-- only in its text (:key_in_text). The key is looked up if the text is not cut and has no escapes, which PostgreSQL may
-- refuse.
with

stage_row as (select hashed.* from :hashed where hashed.bucket = any(:buckets)),

earlier as materialized (
    select json_build_array(:key_in_text)::text as row_key
    from etl.rejected_row
    where source = :source and row_key is null and row like '{%}' and strpos(row, '\u') = 0
)

select
    case
        when stage_row.hash is null then 'missing'
        when source_row.hash is null then 'vanished'
        else 'changed'
    end as kind,
    exists (
        select from etl.rejected_row as known
        where known.source = :source and known.row_key = left(json_build_array(:key)::text, :longest)
    )
    or exists (select from earlier where earlier.row_key = json_build_array(:key)::text) as is_rejected,
    :key
from source_row
full join stage_row using (:key) -- noqa: ST07
where source_row.hash is distinct from stage_row.hash
order by :key
