-- kind: write
-- reads: :dwh, :select
-- writes: :work
-- rerun: fails, because the table exists
-- Keeps the rows of a select that dwh does not hold in this form. is_update tells that dwh holds their key.
create unlogged table :work as
select
    new.*,
    old.:first_key is not null as is_update
from (:select) as new
left join :dwh as old on :same_key
where old.:first_key is null or (:new) is distinct from (:old)
