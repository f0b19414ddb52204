-- kind: select
-- grain: one row per row of :table that changed in the source since stage was loaded, up to :bound
-- reads: :table
-- rerun: gives more rows as the source changes
-- Gives its key.
select :key from :table
where :watermark >= :bound
