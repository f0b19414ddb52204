-- kind: select
-- grain: one row per item of a partner's order that the fact table :fact looks at in this load
-- reads: etl.reprocessing_queue, stage.partner_orders
-- rerun: gives the same rows
-- Takes items that changed (stage batch after :partner_orders_after), and those that wait in the queue for a dimension.
select
    order_id,
    item_id
from stage.partner_orders
where etl_batch > :partner_orders_after
union
select
    business_key::jsonb ->> 0 as order_id,
    business_key::jsonb ->> 1 as item_id
from etl.reprocessing_queue
where fact_table = :fact and resolved_ts is null
