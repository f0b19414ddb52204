-- kind: select
-- grain: one row per risk score
-- reads: :customers
-- rerun: gives the same rows
-- Counts the customers in :customers (a sign and a risk score), who come in or go out as their sign says.
select
    coalesce(customer.risk_score, 0) as risk_score,
    sum(customer.sign) as customers
from :customers as customer
group by coalesce(customer.risk_score, 0)
