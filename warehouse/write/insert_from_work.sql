-- kind: write
-- reads: :work
-- writes: :dwh
-- rerun: fails on the key
-- Inserts the rows of the work table whose key dwh does not hold.
insert into :dwh (:columns)
select :columns from :work where not is_update
