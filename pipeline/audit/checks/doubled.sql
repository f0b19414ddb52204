-- facts and members have their keys once
with

keys as (
    select 'fact_order' as relation, order_id::varchar as row_key from dwh.fact_order
    union all select 'fact_order_line', order_id || '/' || line_number from dwh.fact_order_line
    union all select 'fact_review', review_id from dwh.fact_review
    union all select 'dim_customer', customer_id::varchar from dwh.dim_customer
    union all select 'dim_address', address_id::varchar from dwh.dim_address
    union all select 'dim_supplier', supplier_id::varchar from dwh.dim_supplier
    union all select 'dim_order_status', order_status_id::varchar from dwh.dim_order_status
    union all select 'dim_date', date_key::varchar from dwh.dim_date
)

select row_key as place, 'once in ' || relation as wanted, count(*) || ' times' as found
from keys
group by relation, row_key
having count(*) > 1
order by place
