-- kind: select
-- grain: one row per comparison
-- reads: :dwh, :stage
-- rerun: gives the same rows
-- Counts the keys of :stage that are not in :dwh, those with other content there (columns :in_stage, :in_dwh), and
-- those in :dwh alone. A row that only stage holds as deleted counts as other content. :present leaves out rows of dwh
-- that have no row of their own in stage.
with

staged as (select stage.*, true as is_there from :stage as stage),

loaded as (select dwh.*, true as is_there from :dwh as dwh where :present)

select
    count(*) filter (where loaded.is_there is null) as missing,
    count(*) filter (
        where
        staged.is_there and loaded.is_there
        -- The other way round is no difference: a line is deleted with its order.
        and ((:in_stage) is distinct from (:in_dwh) or (staged.etl_deleted_ts is not null and not loaded.is_deleted))
    ) as changed,
    count(*) filter (where staged.is_there is null) as vanished
from staged
full join loaded using (:key) -- noqa: ST07
where (staged.is_there and staged.etl_deleted_ts is null) or (loaded.is_there and not loaded.is_deleted)
