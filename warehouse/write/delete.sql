-- kind: write
-- reads: :select
-- writes: :table
-- rerun: deletes nothing
-- Deletes the rows whose key a select gives.
delete from :table as old
using (:select) as gone
where :same_key
