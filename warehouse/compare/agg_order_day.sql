-- kind: select
-- grain: one row per day, country and status
-- reads: dwh.dim_order_status, mart.agg_order_day
-- rerun: gives the same rows
-- Gives orders with the source's key of the status.
-- Leaves out sums of what is there no more, which PostgreSQL keeps.
select
    sums.day,
    sums.month,
    sums.country,
    status.order_status_id,
    sums.orders,
    sums.sales
from mart.agg_order_day as sums
inner join dwh.dim_order_status as status on sums.order_status_key = status.order_status_key
where sums.orders <> 0
