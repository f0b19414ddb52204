-- kind: select
-- grain: one row per payment method that changed
-- reads: stage.payment_methods
-- rerun: gives the same rows
-- Takes stage.payment_methods after batch :payment_methods_after.
select
    payment_method_id,
    name,
    etl_deleted_ts is not null as is_deleted
from stage.payment_methods
where etl_batch > :payment_methods_after
