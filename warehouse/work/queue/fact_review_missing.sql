-- kind: select
-- grain: one row per review and dimension whose row is missing
-- reads: :changed, dwh.fact_review
-- rerun: gives the same rows
-- Looks at the reviews in :changed.
select
    fact_review.review_id as business_key,
    lookup.dimension
from dwh.fact_review
cross join
    lateral (
        values
        ('dim_customer', fact_review.customer_key),
        ('dim_date', fact_review.review_date_key)
    ) as lookup (dimension, key)
where fact_review.review_id in (select changed.review_id from :changed as changed) and lookup.key = -1
