-- kind: write
-- reads: :select
-- writes: :table
-- rerun: changes nothing, where :wins asks for a difference
-- Inserts the rows of a select; one whose key is there replaces the old row where the condition :wins holds.
insert into :table as old (:columns)
select :columns from (:select) as new
on conflict (:key) do update
    set :changes
    where :wins
