-- kind: write
-- reads: :select
-- writes: etl.reprocessing_queue
-- rerun: closes nothing
-- Closes what is open in the queue of :fact and is not among the rows of a select (business_key, dimension).
update etl.reprocessing_queue as queue
set resolved_ts = now()
where
    fact_table = :fact
    and resolved_ts is null
    and not exists (
        select from (:select) as missing
        where missing.business_key = queue.business_key and missing.dimension = queue.dimension
    )
