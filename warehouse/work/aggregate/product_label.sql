-- kind: select
-- grain: one row per product in :members
-- reads: :members
-- rerun: gives the same rows
-- Gives what the products of these versions (rows of dim_product) are called now.
select
    member.product_id,
    member.name as label
from :members as member
where member.is_current
