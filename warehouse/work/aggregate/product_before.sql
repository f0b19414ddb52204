-- kind: select
-- grain: one row per version in work.dim_product that gets another subtype
-- reads: dwh.dim_product, work.dim_product
-- rerun: gives the same rows, until dwh.dim_product is written
-- Gives the subtypes for which the mart counts the order lines of these versions until now.
select
    old.product_key,
    old.product_subtype
from work.dim_product as work
inner join dwh.dim_product as old on work.product_key = old.product_key
where work.product_subtype <> old.product_subtype
