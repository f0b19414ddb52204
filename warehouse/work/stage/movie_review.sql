-- kind: select
-- grain: one row per review of the days :dates, as batch :batch
-- reads: delta.movie_review, stage.movie_review
-- rerun: gives the same rows
-- Takes the reviews in delta.movie_review, and as deleted the reviews of stage that are missing there. So the tables
-- that read stage see the deletion.
select
    review_id,
    cid,
    review_date,
    positive_review,
    classifier,
    positive_probability,
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
    stage.positive_probability,
    true as is_deleted,
    :batch as etl_batch
from stage.movie_review as stage
left join delta.movie_review as delta on stage.review_id = delta.review_id
where stage.review_date in (:dates) and delta.review_id is null
