-- kind: write
-- reads: :select
-- writes: :table
-- rerun: inserts the rows again
-- Inserts the rows of a select.
insert into :table (:columns)
select :columns from (:select) as new
