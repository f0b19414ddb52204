-- kind: select
-- grain: one row per order that the fact table :fact looks at in this load
-- reads: etl.reprocessing_queue, stage.order_lines, stage.orders
-- rerun: gives the same rows
-- Takes orders that changed, or a line of which did (stage batches after :orders_after and :order_lines_after), and
-- those that wait in the queue for a dimension.
with

queued as (
    select split_part(business_key, '/', 1)::bigint as order_id
    from etl.reprocessing_queue
    where fact_table = :fact and resolved_ts is null
)

select order_id from stage.orders where etl_batch > :orders_after
union
select order_id from stage.order_lines where etl_batch > :order_lines_after
union
select order_id from queued
