-- kind: write
-- reads: :select
-- writes: :table
-- rerun: adds the differences again
-- Adds differences to the sums of an aggregate; a difference of 0 in all measures changes nothing.
insert into :table as total (:columns)
select :columns from (:select) as difference
where :changes
on conflict (:key) do update set :sums
