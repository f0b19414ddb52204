-- kind: select
-- grain: one row per customer whose score is newer than in stage
-- reads: delta.risk_score, stage.risk_score
-- rerun: gives nothing, once stage holds the rows
-- Takes the score of the newest answer in delta.risk_score. An answer whose time an earlier version did not keep was
-- given by the end of its date. Only a changed score belongs to batch :batch.
select
    delta.customer_id,
    delta.risk_score,
    delta.date,
    delta.answered_ts,
    case when stage.risk_score = delta.risk_score then stage.etl_batch else :batch end as etl_batch
from delta.risk_score as delta
left join stage.risk_score as stage on delta.customer_id = stage.customer_id
where
    stage.customer_id is null
    or coalesce(stage.answered_ts, cast(stage.date + 1 as timestamp) at time zone 'UTC') < delta.answered_ts
