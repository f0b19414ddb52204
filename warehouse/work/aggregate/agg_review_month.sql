-- kind: select
-- grain: one row per month
-- reads: :reviews
-- rerun: gives the same rows
-- Sums what the reviews in :reviews (columns of fact_review and a sign) add, or take away.
select
    date_trunc('month', review.review_date)::date as month,
    sum(review.sign) as reviews,
    coalesce(sum(review.sign) filter (where review.positive_review), 0) as positive_reviews
from :reviews as review
group by date_trunc('month', review.review_date)::date
