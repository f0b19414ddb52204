-- Makes stage.movie_review say of the days :dates what delta.movie_review says, as batch :batch. A review that is no
-- longer among them is marked, not deleted, so that the tables that read stage see it go. A rerun changes nothing.
with

gone as (
    update stage.movie_review as stage
    set is_deleted = true, etl_batch = :batch
    where
        stage.review_date = any(:dates)
        and not stage.is_deleted
        and not exists (select from delta.movie_review as delta where delta.review_id = stage.review_id)
)

insert into stage.movie_review as stage (
    review_id, cid, review_date, positive_review, classifier, is_deleted, etl_batch
)
select
    review_id,
    cid,
    review_date,
    positive_review,
    classifier,
    false as is_deleted,
    :batch as etl_batch
from delta.movie_review
on conflict (review_id) do update
    set
        positive_review = excluded.positive_review,
        classifier = excluded.classifier,
        is_deleted = false,
        etl_batch = excluded.etl_batch
    where
    stage.is_deleted
    or (stage.positive_review, stage.classifier) is distinct from (excluded.positive_review, excluded.classifier)
