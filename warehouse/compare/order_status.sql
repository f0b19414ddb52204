-- kind: select
-- grain: one row per status
-- reads: dwh.dim_order_status, mart.order_status
-- rerun: gives the same rows
-- Gives the source's key of the status, and whether it is lost.
select
    status.order_status_id,
    shown.is_lost
from mart.order_status as shown
inner join dwh.dim_order_status as status on shown.order_status_key = status.order_status_key
