-- kind: write
-- reads: :select
-- writes: :table
-- rerun: changes nothing, if :wins asks for a difference
-- Inserts the rows of a select. A row whose key exists replaces the old row if the condition :wins holds.
insert into :table as old (:columns)
select :columns from (:select) as new
on conflict (:key) do update
    set :changes
    where :wins
