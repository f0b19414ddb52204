-- kind: select
-- check: error: dimensions without their unknown member
-- grain: one row per dimension
-- reads: :members
-- rerun: gives the same rows
select missing.dimension
from :members as missing
where missing.members <> 1
