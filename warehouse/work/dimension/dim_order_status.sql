-- kind: select
-- grain: one row per order status that changed
-- reads: stage.order_statuses
-- rerun: gives the same rows
-- Takes stage.order_statuses after batch :order_statuses_after.
select
    order_status_id,
    name,
    is_lost,
    etl_deleted_ts is not null as is_deleted
from stage.order_statuses
where etl_batch > :order_statuses_after
