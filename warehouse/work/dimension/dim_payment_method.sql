-- One row per payment method that changed. Reads stage.payment_methods after batch :payment_methods_after.
-- A rerun gives the same rows.
select
    payment_method_id,
    name,
    etl_deleted_ts is not null as is_deleted
from stage.payment_methods
where etl_batch > :payment_methods_after
