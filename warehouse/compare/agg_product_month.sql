-- kind: select
-- grain: one row per month, country, product and status of the order
-- reads: dwh.dim_order_status, mart.agg_product_month
-- rerun: gives the same rows
-- Gives sales by product with the source's key of the status.
-- Leaves out sums of what is there no more, which PostgreSQL keeps.
select
    sums.month,
    sums.country,
    sums.product_id,
    status.order_status_id,
    sums.sales,
    sums.orders
from mart.agg_product_month as sums
inner join dwh.dim_order_status as status on sums.order_status_key = status.order_status_key
where sums.orders <> 0
