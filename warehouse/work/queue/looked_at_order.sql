-- kind: select
-- grain: one row per order in :changed, and one per line of it
-- reads: :changed, stage.order_lines
-- rerun: gives the same rows
-- Gives the keys of orders and of their lines in the form of the queue.
select changed.order_id::text as business_key
from :changed as changed
union all
select order_lines.order_id || '/' || order_lines.line_number as business_key
from stage.order_lines
where order_lines.order_id in (select changed.order_id from :changed as changed)
