-- kind: select
-- grain: one row per review that a fact table looks at in this load
-- reads: :due, stage.movie_review
-- rerun: gives the same rows
-- Takes reviews that changed (stage batch after :movie_review_after), and those in :due, the rows of the fact's queue
-- to look at now.
select review_id from stage.movie_review where etl_batch > :movie_review_after
union
select due.business_key as review_id from :due as due
