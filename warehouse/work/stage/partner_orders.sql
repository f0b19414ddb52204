-- Merges delta.partner_orders into stage as batch :batch: an item of an order once, of several rows the one delivered
-- last; with equal times their text decides, so that the order in which files come does not matter. (:dates are not
-- needed: a row does not tell its file's date.) A rerun changes nothing.
insert into stage.partner_orders as stage (order_id, item_id, customer_id, item_name, delivered_on, etl_batch)
select distinct on (order_id, item_id)
    order_id,
    item_id,
    customer_id,
    item_name,
    delivered_on,
    :batch as etl_batch
from delta.partner_orders
order by
    order_id asc,
    item_id asc,
    coalesce(delivered_on, '-infinity') desc,
    coalesce(item_name, '') collate "C" desc,
    coalesce(customer_id, -9223372036854775808) desc
on conflict (order_id, item_id) do update
    set
        customer_id = excluded.customer_id,
        item_name = excluded.item_name,
        delivered_on = excluded.delivered_on,
        etl_batch = excluded.etl_batch
    where
    (
        coalesce(stage.delivered_on, '-infinity'),
        coalesce(stage.item_name, '') collate "C",
        coalesce(stage.customer_id, -9223372036854775808)
    ) < (
        coalesce(excluded.delivered_on, '-infinity'),
        coalesce(excluded.item_name, '') collate "C",
        coalesce(excluded.customer_id, -9223372036854775808)
    )
