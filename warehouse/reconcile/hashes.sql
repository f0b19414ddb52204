-- Keys and hashes of some :buckets of the relation :hashed.
select
    :key,
    hash
from :hashed
where bucket = any(:buckets)
