-- kind: select
-- grain: one row per item of a partner's order that a fact table looks at in this load
-- reads: :due, stage.partner_orders
-- rerun: gives the same rows
-- Takes items that changed (stage batch after :partner_orders_after), and those in :due, the rows of the fact's queue
-- to look at now.
select
    order_id,
    item_id
from stage.partner_orders
where etl_batch > :partner_orders_after
union
select
    due.business_key::jsonb ->> 0 as order_id,
    due.business_key::jsonb ->> 1 as item_id
from :due as due
