-- kind: select
-- grain: one row per order that a fact table looks at in this load
-- reads: :due, stage.order_lines, stage.orders
-- rerun: gives the same rows
-- Takes orders that changed or have a changed line (stage batches after :orders_after and :order_lines_after), and the
-- orders of the rows in :due, the rows of the fact's queue to look at now.
select order_id from stage.orders where etl_batch > :orders_after
union
select order_id from stage.order_lines where etl_batch > :order_lines_after
union
select split_part(due.business_key, '/', 1)::bigint as order_id from :due as due
