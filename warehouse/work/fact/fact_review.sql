-- kind: select
-- grain: one row per review
-- reads: :movie_review, dwh.dim_customer, dwh.dim_date
-- rerun: gives the same rows
-- Takes :movie_review: the table of stage or, in a daily load, its changed rows. A key is -1 if the dimension has no
-- row. Leaves out deleted reviews.
with

movie_review as (
    select source.* from :movie_review as source
    where not source.is_deleted
)

select
    movie_review.review_id,
    coalesce(dim_customer.customer_key, -1) as customer_key,
    coalesce(dim_date.date_key, -1) as review_date_key,
    movie_review.review_date,
    movie_review.positive_review,
    movie_review.classifier,
    movie_review.positive_probability
from movie_review
left join dwh.dim_customer on movie_review.cid = dim_customer.customer_id
left join dwh.dim_date on movie_review.review_date = dim_date.date
