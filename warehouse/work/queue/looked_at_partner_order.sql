-- kind: select
-- grain: one row per item in :changed
-- reads: :changed
-- rerun: gives the same rows
-- Gives the keys that the queue has for items of partners' orders.
select jsonb_build_array(changed.order_id, changed.item_id)::text as business_key
from :changed as changed
