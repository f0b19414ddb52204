-- Rows and sum of hashes of each bucket of the relation :hashed that has rows.
select
    bucket,
    count(*) as rows,
    sum(('x' || left(hash, 15))::bit(60)::bigint) as total
from :hashed
group by bucket
