-- One row per customer that changed. Reads stage.customers after batch :customers_after. A rerun gives the same rows.
with

customers as (select * from stage.customers where etl_batch > :customers_after)

select
    customer_id,
    first_name,
    last_name,
    coalesce(email, 'Unknown') as email,
    coalesce(phone, 'Unknown') as phone,
    birth_date,
    registered_on
from customers
