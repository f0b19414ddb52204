-- One row per item of a partner's order that the fact table :fact looks at in this load: it changed (stage batch after
-- :partner_orders_after), or waits in the queue for a dimension. A rerun gives the same.
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
