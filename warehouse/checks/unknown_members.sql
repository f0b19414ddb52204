-- kind: select
-- check: error: dimensions without their unknown member
-- grain: one row per dimension
-- reads: dwh.dim_address, dwh.dim_customer, dwh.dim_date, dwh.dim_order_status, dwh.dim_payment_method,
--     dwh.dim_product, dwh.dim_supplier
-- rerun: gives the same rows
select missing.dimension
from (
    values
    ('dim_date', (select count(*) from dwh.dim_date where date_key = -1)),
    ('dim_customer', (select count(*) from dwh.dim_customer where customer_key = -1)),
    ('dim_address', (select count(*) from dwh.dim_address where address_key = -1)),
    ('dim_payment_method', (select count(*) from dwh.dim_payment_method where payment_method_key = -1)),
    ('dim_order_status', (select count(*) from dwh.dim_order_status where order_status_key = -1)),
    ('dim_supplier', (select count(*) from dwh.dim_supplier where supplier_key = -1)),
    ('dim_product', (select count(*) from dwh.dim_product where product_key = -1))
) as missing (dimension, members)
where missing.members <> 1
