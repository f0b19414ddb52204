-- kind: select
-- grain: one row per quarter and country, and one per quarter for everywhere
-- reads: mart.agg_customer_quarter
-- rerun: gives the same rows
-- Gives customers. Leaves out counts of none, which PostgreSQL keeps.
select
    quarter,
    country,
    customers
from mart.agg_customer_quarter
where customers <> 0
