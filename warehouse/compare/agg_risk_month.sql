-- kind: select
-- grain: one row per month, risk score and status
-- reads: dwh.dim_order_status, mart.agg_risk_month
-- rerun: gives the same rows
-- Gives orders with the source's key of the status.
-- Leaves out sums of what is there no more, which PostgreSQL keeps.
select
    sums.month,
    sums.risk_score,
    status.order_status_id,
    sums.orders,
    sums.sales
from mart.agg_risk_month as sums
inner join dwh.dim_order_status as status on sums.order_status_key = status.order_status_key
where sums.orders <> 0
