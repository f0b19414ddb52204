-- One row per order status that changed. Reads stage.order_statuses after batch :order_statuses_after.
-- A rerun gives the same rows.
select
    order_status_id,
    name,
    is_lost,
    etl_deleted_ts is not null as is_deleted
from stage.order_statuses
where etl_batch > :order_statuses_after
