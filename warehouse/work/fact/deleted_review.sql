-- Deletes the reviews of the relation changed that are no longer in the files of their date. A rerun deletes nothing.
delete from dwh.fact_review
using changed, stage.movie_review
where
    fact_review.review_id = changed.review_id
    and movie_review.review_id = changed.review_id
    and movie_review.is_deleted
