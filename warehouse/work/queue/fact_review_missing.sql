-- kind: select
-- grain: one row per review and dimension whose row is missing, with the key of that row
-- reads: :changed, dwh.fact_review, stage.movie_review
-- rerun: gives the same rows
-- Looks at the reviews in :changed.
select
    fact_review.review_id as business_key,
    lookup.dimension,
    lookup.dimension_key
from dwh.fact_review
inner join stage.movie_review on fact_review.review_id = movie_review.review_id
cross join
    lateral (
        values
        ('dim_customer', fact_review.customer_key, movie_review.cid::text),
        ('dim_date', fact_review.review_date_key, to_char(fact_review.review_date, 'YYYYMMDD')::bigint::text)
    ) as lookup (dimension, key, dimension_key)
where fact_review.review_id in (select changed.review_id from :changed as changed) and lookup.key = -1
