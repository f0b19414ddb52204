-- Merges delta.risk_score into stage as batch :batch: the score of the newest date wins. Only a score that is another
-- one belongs to the batch. (:dates are those of the rows.) A rerun changes nothing.
insert into stage.risk_score as stage (customer_id, risk_score, date, etl_batch)
select
    customer_id,
    risk_score,
    date,
    :batch as etl_batch
from delta.risk_score
on conflict (customer_id) do update
    set
        risk_score = excluded.risk_score,
        date = excluded.date,
        etl_batch = case
            when stage.risk_score = excluded.risk_score then stage.etl_batch else excluded.etl_batch
        end
    where stage.date < excluded.date
