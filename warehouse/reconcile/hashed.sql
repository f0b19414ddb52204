-- Key, bucket (0 to :mask) and hash of the rows of :table that are compared: those for which :compared holds.
select
    :key,
    ('x' || left(md5(row(:key)::text), 8))::bit(32)::integer & :mask as bucket,
    md5(row(:columns)::text) as hash
from :table
where :compared
