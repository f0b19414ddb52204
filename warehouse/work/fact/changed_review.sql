-- kind: select
-- grain: one row per review that the fact table :fact looks at in this load
-- reads: etl.reprocessing_queue, stage.movie_review
-- rerun: gives the same rows
-- Takes reviews that changed (stage batch after :movie_review_after), and those that wait in the queue for a dimension.
select review_id from stage.movie_review where etl_batch > :movie_review_after
union
select business_key as review_id from etl.reprocessing_queue where fact_table = :fact and resolved_ts is null
