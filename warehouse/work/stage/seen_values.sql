-- kind: select
-- grain: one row per value and instant in :seen, as batch :batch
-- reads: :seen
-- rerun: gives the same rows
-- Takes the value of a history column from a relation of source rows: key, instant from which it holds, value.
select distinct
    :columns,
    :batch as etl_batch
from :seen
