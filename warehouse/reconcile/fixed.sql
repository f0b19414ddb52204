-- kind: select
-- grain: one row per row of :table whose key is among :keys and that is not :faulty
-- reads: :table
-- rerun: gives other rows as the source changes
-- Gives its key.
select :key
from (select :columns from :table where (:key) in (:keys)) as candidate
where (:faulty) is not true
