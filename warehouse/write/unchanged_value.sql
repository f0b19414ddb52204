-- kind: write
-- reads: :delta, :stage
-- writes: :delta
-- rerun: fills nothing
-- Fills in a value that the log did not repeat, because it is stored out of line and did not change: column :changed,
-- called :name in the list etl_unchanged. It is that of the row's change before, or that in :stage. Leaves out a row
-- whose key was changed since: it has no change before, and write/moved_value knows it by its old key.
with

runs as (
    select
        ctid as place,
        :key,
        :changed as value,
        etl_lsn,
        etl_seq,
        coalesce(etl_unchanged ? :name, false) as is_unknown,
        -- A run is a value that is known, with the changes after it that did not repeat it.
        count(*) filter (
            where etl_old_key is not null or not coalesce(etl_unchanged ? :name, false)
        ) over (partition by :key order by etl_lsn, etl_seq) as run
    from :delta
),

headed as (
    select
        *,
        first_value(value) over in_order as first_one,
        first_value(is_unknown) over in_order as is_first_unknown
    from runs
    window in_order as (partition by :key, run order by etl_lsn, etl_seq)
),

known as (
    select
        headed.place,
        headed.first_one as value
    from headed
    where headed.is_unknown and headed.run > 0 and not headed.is_first_unknown
    union all
    select
        headed.place,
        stage.:changed as value
    from headed
    inner join :stage as stage using (:key) -- noqa: ST07
    where headed.is_unknown and headed.run = 0
)

update :delta as delta
set :changed = known.value, etl_unchanged = nullif(delta.etl_unchanged - :name, '[]')
from known
where delta.ctid = known.place
