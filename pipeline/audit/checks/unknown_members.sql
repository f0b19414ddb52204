-- each dimension has its unknown member, once
with

found as (
    select 'dim_date' as dimension, count(*) filter (where date_key = -1) as members from dwh.dim_date
    union all select 'dim_customer', count(*) filter (where customer_key = -1) from dwh.dim_customer
    union all select 'dim_address', count(*) filter (where address_key = -1) from dwh.dim_address
    union all select 'dim_payment_method', count(*) filter (where payment_method_key = -1) from dwh.dim_payment_method
    union all select 'dim_order_status', count(*) filter (where order_status_key = -1) from dwh.dim_order_status
    union all select 'dim_supplier', count(*) filter (where supplier_key = -1) from dwh.dim_supplier
    union all select 'dim_product', count(*) filter (where product_key = -1) from dwh.dim_product
)

select dimension as place, '1' as wanted, members::varchar as found
from found
where members <> 1
