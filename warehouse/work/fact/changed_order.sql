-- kind: select
-- grain: one row per order that a fact table looks at in this load
-- reads: :due, stage.order_lines, stage.orders
-- rerun: gives the same rows
-- Takes orders that changed, or a line of which did (stage batches after :orders_after and :order_lines_after), and
-- those of the rows in :due, which the queue has for the fact and whose turn it is.
select order_id from stage.orders where etl_batch > :orders_after
union
select order_id from stage.order_lines where etl_batch > :order_lines_after
union
select split_part(due.business_key, '/', 1)::bigint as order_id from :due as due
