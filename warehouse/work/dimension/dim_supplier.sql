-- kind: select
-- grain: one row per supplier that changed
-- reads: stage.suppliers
-- rerun: gives the same rows
-- Takes stage.suppliers after batch :suppliers_after.
select
    supplier_id,
    name,
    coalesce(contact_email, 'Unknown') as contact_email,
    country,
    etl_deleted_ts is not null as is_deleted
from stage.suppliers
where etl_batch > :suppliers_after
