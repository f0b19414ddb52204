-- kind: write
-- reads: :select
-- writes: :table
-- rerun: fails, as the table is there
-- Keeps the rows of a select until the transaction ends.
create temporary table :table on commit drop as
:select
