-- kind: select
-- grain: one row per risk score
-- reads: mart.agg_risk_customer
-- rerun: gives the same rows
-- Gives customers. Leaves out counts of none, which PostgreSQL keeps.
select
    risk_score,
    customers
from mart.agg_risk_customer
where customers <> 0
