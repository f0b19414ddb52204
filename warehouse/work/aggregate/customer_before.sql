-- kind: select
-- grain: one row per customer in work.dim_customer who is new or gets another risk score
-- reads: dwh.dim_customer, work.dim_customer
-- rerun: gives the same rows, until dwh.dim_customer is written
-- Gives the scores by which the mart counts these customers and their orders until now; NULLs for a new customer.
select
    work.customer_id,
    old.customer_key,
    old.risk_score
from work.dim_customer as work
left join dwh.dim_customer as old on work.customer_id = old.customer_id
where old.customer_key is null or work.risk_score is distinct from old.risk_score
