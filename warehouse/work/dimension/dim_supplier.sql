-- One row per supplier that changed. Reads stage.suppliers after batch :suppliers_after. A rerun gives the same rows.
select
    supplier_id,
    name,
    coalesce(contact_email, 'Unknown') as contact_email,
    country,
    etl_deleted_ts is not null as is_deleted
from stage.suppliers
where etl_batch > :suppliers_after
