-- kind: write
-- reads: :delta, :stage
-- writes: :delta
-- rerun: inserts nothing
-- Turns each TRUNCATE among the changes of :delta into the deletion of every key that the table had: of the rows of
-- :stage, and of the changes before it.
with

emptied as (
    delete from :delta where etl_op = 'T' returning etl_lsn, etl_ts, etl_seq
),

known as (
    select
        :key,
        '0/0'::pg_lsn as etl_lsn,
        0 as etl_seq
    from :stage where etl_deleted_ts is null
    union all
    select
        :key,
        etl_lsn,
        etl_seq
    from :delta where etl_op in ('I', 'U')
)

insert into :delta (etl_op, etl_lsn, etl_ts, etl_seq, :key)
select distinct
    'D' as etl_op,
    emptied.etl_lsn,
    emptied.etl_ts,
    emptied.etl_seq,
    :key
from emptied
inner join known on (known.etl_lsn, known.etl_seq) < (emptied.etl_lsn, emptied.etl_seq)
