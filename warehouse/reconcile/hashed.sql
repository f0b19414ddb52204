-- kind: select
-- grain: one row per compared row of :table, for which :compared holds
-- reads: :table
-- rerun: gives the same rows
-- Gives key, bucket (0 to :mask) and hash.
select
    :key,
    ('x' || left(md5(row(:key)::text), 8))::bit(32)::integer & :mask as bucket,
    md5(row(:columns)::text) as hash
from :table
where :compared
