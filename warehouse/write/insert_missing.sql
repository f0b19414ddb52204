-- kind: write
-- reads: :select
-- writes: :table
-- rerun: changes nothing
-- Inserts the rows of a select, except those that a unique key of the table refuses.
insert into :table (:columns)
select :columns from (:select) as new
on conflict do nothing
