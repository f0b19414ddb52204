-- kind: write
-- reads: :select
-- writes: :table
-- rerun: fails, because the table exists
-- Keeps the rows of a select until the transaction ends.
create temporary table :table on commit drop as
:select
