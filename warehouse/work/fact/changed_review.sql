-- One row per review that the fact table :fact looks at in this load: it changed (stage batch after
-- :movie_review_after), or waits in the queue for a dimension. A rerun gives the same.
select review_id from stage.movie_review where etl_batch > :movie_review_after
union
select business_key as review_id from etl.reprocessing_queue where fact_table = :fact and resolved_ts is null
