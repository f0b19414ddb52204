-- kind: write
-- reads: :looked_at, :select
-- writes: etl.reprocessing_queue
-- rerun: closes nothing
-- Closes open rows in the queue of :fact whose business_key is in :looked_at, but not in a select (business_key,
-- dimension).
update etl.reprocessing_queue as queue
set resolved_ts = now()
where
    fact_table = :fact
    and resolved_ts is null
    and business_key in (select looked_at.business_key from (:looked_at) as looked_at)
    and not exists (
        select from (:select) as missing
        where missing.business_key = queue.business_key and missing.dimension = queue.dimension
    )
