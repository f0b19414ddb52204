-- kind: select
-- grain: one row per review in changed that is no longer in the files of its date
-- reads: changed, stage.movie_review
-- rerun: gives the same rows
-- Finds the rows that fact_review has to delete.
select movie_review.review_id
from changed
inner join stage.movie_review on changed.review_id = movie_review.review_id
where movie_review.is_deleted
