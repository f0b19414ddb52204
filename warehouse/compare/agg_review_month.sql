-- kind: select
-- grain: one row per month
-- reads: mart.agg_review_month
-- rerun: gives the same rows
-- Gives reviews. Leaves out counts of none, which PostgreSQL keeps.
select
    month,
    reviews,
    positive_reviews
from mart.agg_review_month
where reviews <> 0
