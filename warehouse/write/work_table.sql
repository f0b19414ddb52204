-- kind: write
-- reads: :dwh, :select
-- writes: :work
-- rerun: fails, as the table is there
-- Keeps the rows of a select that a table of dwh does not hold like that; is_update says that it holds their key.
create unlogged table :work as
select
    new.*,
    old.:first_key is not null as is_update
from (:select) as new
left join :dwh as old on :same_key
where old.:first_key is null or (:new) is distinct from (:old)
