-- kind: write
-- reads: :delta, etl.rejected_row
-- writes: :delta, etl.rejected_row
-- rerun: moves nothing
-- Moves the rows of :delta with a :reason to etl.rejected_row, and counts by reason those that are new there. The
-- expression :reason is NULL for a row that stays. The line is the row's place in :file, whose header is line 1.
-- A row without a time window comes with every date, but is stored once. A text longer than :longest is cut, so the key
-- has a column of its own. A row that an earlier version stored without its key gets it.
with

judged as (
    select
        candidate.ctid as place,
        row_number() over (order by candidate.ctid) + 1 as line,
        (:reason) as reason
    from :delta as candidate
),

gone as (
    delete from :delta as candidate
    using judged
    where candidate.ctid = judged.place and judged.reason is not null
    -- Not jsonb, which does not accept all of json.
    returning
        judged.line,
        judged.reason,
        row_to_json(candidate.*)::text as text,
        nullif(left(json_build_array(:key)::text, :longest), '[]') as row_key
),

rejected as (
    select
        line,
        reason,
        case
            when length(text) <= :longest then text
            else left(text, :longest) || '… (cut: ' || length(text) || ' characters in all)'
        end as text,
        row_key
    from gone
),

named as (
    update etl.rejected_row as known set row_key = rejected.row_key
    from rejected
    where
        known.source = :source and known.reason = rejected.reason and known.row = rejected.text
        and known.row_key is null and rejected.row_key is not null
),

new as (
    insert into etl.rejected_row (source, date, file, line, reason, row, row_key)
    select
        :source,
        :date,
        :file,
        line,
        reason,
        text,
        row_key
    from rejected
    where
        not exists (
            select from etl.rejected_row as known
            where known.source = :source and known.reason = rejected.reason and known.row = rejected.text
        )
    returning reason
)

select
    reason,
    count(*) as rows
from new
group by reason
