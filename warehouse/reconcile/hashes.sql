-- kind: select
-- grain: one row per row of :hashed in some :buckets
-- reads: :hashed
-- rerun: gives the same rows
-- Gives key and hash.
select
    :key,
    hash
from :hashed
where bucket = any(:buckets)
