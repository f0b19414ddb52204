-- kind: select
-- grain: one row per review
-- reads: dwh.dim_customer, dwh.fact_review
-- rerun: gives the same rows
-- Gives reviews with the source's keys of their members.
select
    fact.review_id,
    customer.customer_id,
    fact.review_date_key,
    fact.review_date,
    fact.positive_review,
    fact.classifier,
    fact.positive_probability
from dwh.fact_review as fact
inner join dwh.dim_customer as customer on fact.customer_key = customer.customer_key
