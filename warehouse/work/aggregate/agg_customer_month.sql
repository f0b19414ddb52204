-- kind: select
-- grain: one row per month
-- reads: :orders
-- rerun: gives the same rows
-- Counts the known customers that :orders adds or takes away: those of sign 1 less those of sign -1.
with

orders as (select source.* from :orders as source)

select
    month,
    count(distinct customer_key) filter (where sign = 1)
    - count(distinct customer_key) filter (where sign = -1) as customers
from orders
where customer_key <> -1
group by month
