-- kind: select
-- grain: one row per item in :changed
-- reads: :changed
-- rerun: gives the same rows
-- Gives the keys of partners' items in the form of the queue.
select jsonb_build_array(changed.order_id, changed.item_id)::text as business_key
from :changed as changed
