-- kind: write
-- reads: :delta, :stage
-- writes: :delta
-- rerun: fills nothing
-- As write/unchanged_value, for rows whose key was changed by the same change: the value is that of the old key's
-- change before, or that in :stage. It waits for a change before whose value is not known itself.
with

moved as (
    select
        ctid as place,
        etl_lsn,
        etl_seq,
        etl_old_key
    from :delta
    where etl_old_key is not null and etl_unchanged ? :name
),

known as (
    select
        :key,
        :changed as value,
        etl_lsn,
        etl_seq,
        coalesce(etl_unchanged ? :name, false) as is_unknown
    from :delta
    where etl_op in ('I', 'U')
    union all
    select
        :key,
        :changed as value,
        '0/0'::pg_lsn as etl_lsn,
        0 as etl_seq,
        false as is_unknown
    from :stage
),

before as (
    select distinct on (moved.place)
        moved.place,
        known.value,
        known.is_unknown
    from moved
    inner join known
        on (:known_key) = (:old_key) and (known.etl_lsn, known.etl_seq) < (moved.etl_lsn, moved.etl_seq)
    order by moved.place asc, known.etl_lsn desc, known.etl_seq desc
)

update :delta as delta
set :changed = before.value, etl_unchanged = nullif(delta.etl_unchanged - :name, '[]')
from before
where delta.ctid = before.place and not before.is_unknown
