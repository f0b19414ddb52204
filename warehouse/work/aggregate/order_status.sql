-- kind: select
-- grain: one row per status in :members
-- reads: :members
-- rerun: gives the same rows
-- Tells which of these statuses (rows of dim_order_status) count as lost.
select
    member.order_status_key,
    member.is_lost
from :members as member
