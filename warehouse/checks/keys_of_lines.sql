-- kind: select
-- check: error: order lines with a key that its dimension does not have
-- grain: one row per order line
-- reads: :fact_order_line, dwh.dim_date, dwh.dim_product, dwh.dim_supplier
-- rerun: gives the same rows
select
    fact.order_id,
    fact.line_number,
    fact.product_key,
    fact.supplier_key,
    fact.ordered_date_key
from :fact_order_line as fact
left join dwh.dim_product as product on fact.product_key = product.product_key
left join dwh.dim_supplier as supplier on fact.supplier_key = supplier.supplier_key
left join dwh.dim_date as ordered on fact.ordered_date_key = ordered.date_key
where product.product_key is null or supplier.supplier_key is null or ordered.date_key is null
