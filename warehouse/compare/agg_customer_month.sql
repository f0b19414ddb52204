-- kind: select
-- grain: one row per month
-- reads: mart.agg_customer_month
-- rerun: gives the same rows
-- Gives customers. Leaves out counts of none, which PostgreSQL keeps.
select
    month,
    customers
from mart.agg_customer_month
where customers <> 0
