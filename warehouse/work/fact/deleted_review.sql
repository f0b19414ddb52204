-- The reviews of the relation changed that are no longer in the files of their date. A rerun gives the same.
select movie_review.review_id
from changed
inner join stage.movie_review on changed.review_id = movie_review.review_id
where movie_review.is_deleted
