-- kind: select
-- grain: one row per bucket that has rows
-- reads: :hashed
-- rerun: gives the same rows
-- Counts the rows of a bucket of :hashed, and sums their hashes.
select
    bucket,
    count(*) as rows,
    sum(('x' || left(hash, 15))::bit(60)::bigint) as total
from :hashed
group by bucket
