-- The rows of stage.movie_review of the days :dates, as batch :batch: what delta.movie_review says, and as deleted
-- those that are no longer among it, so that the tables that read stage see them go. A rerun gives the same.
select
    review_id,
    cid,
    review_date,
    positive_review,
    classifier,
    false as is_deleted,
    :batch as etl_batch
from delta.movie_review
union all
select
    stage.review_id,
    stage.cid,
    stage.review_date,
    stage.positive_review,
    stage.classifier,
    true as is_deleted,
    :batch as etl_batch
from stage.movie_review as stage
left join delta.movie_review as delta on stage.review_id = delta.review_id
where stage.review_date in (:dates) and delta.review_id is null
