-- error: dimensions without their unknown member
select missing.dimension
from :members as missing
where missing.members <> 1
