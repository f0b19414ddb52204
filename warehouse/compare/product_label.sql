-- kind: select
-- grain: one row per product
-- reads: mart.product_label
-- rerun: gives the same rows
-- Gives labels.
select
    product_id,
    label
from mart.product_label
