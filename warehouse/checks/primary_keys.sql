-- kind: select
-- check: error: tables of the star schema that nothing keeps free of double or missing keys
-- grain: one row per table of dwh
-- reads: pg_class, pg_constraint
-- rerun: gives the same rows
select star.oid::regclass as table_name
from pg_class as star
where
    star.relnamespace = 'dwh'::regnamespace
    and star.relkind = 'r'
    and not exists (
        select from pg_constraint as key
        where key.conrelid = star.oid and key.contype = 'p' and key.convalidated
    )
