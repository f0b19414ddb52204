-- kind: select
-- grain: one row per review in :changed
-- reads: :changed
-- rerun: gives the same rows
-- Gives the keys of reviews in the form of the queue.
select changed.review_id as business_key
from :changed as changed
