-- kind: select
-- check: error: reviews with a key that its dimension does not have
-- grain: one row per review
-- reads: :fact_review, dwh.dim_customer, dwh.dim_date
-- rerun: gives the same rows
select
    fact.review_id,
    fact.customer_key,
    fact.review_date_key
from :fact_review as fact
left join dwh.dim_customer as customer on fact.customer_key = customer.customer_key
left join dwh.dim_date as reviewed on fact.review_date_key = reviewed.date_key
where customer.customer_key is null or reviewed.date_key is null
