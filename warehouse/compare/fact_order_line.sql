-- kind: select
-- grain: one row per order line
-- reads: dwh.dim_product, dwh.dim_supplier, dwh.fact_order_line
-- rerun: gives the same rows
-- Gives order lines with the source's keys of their members, and the start of the product's version.
select
    fact.order_id,
    fact.line_number,
    product.product_id,
    product.valid_from,
    supplier.supplier_id,
    fact.ordered_date_key,
    fact.quantity,
    fact.unit_price,
    fact.line_amount,
    fact.is_deleted
from dwh.fact_order_line as fact
inner join dwh.dim_product as product on fact.product_key = product.product_key
inner join dwh.dim_supplier as supplier on fact.supplier_key = supplier.supplier_key
