-- kind: write
-- reads: :work
-- writes: :dwh
-- rerun: writes the same values
-- Overwrites the rows of dwh whose key the work table holds.
update :dwh as old
set :changes
from :work as new
where :same_key and new.is_update
