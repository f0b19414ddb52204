-- kind: select
-- grain: one row per quarter and country, and one per quarter for everywhere
-- reads: :orders
-- rerun: gives the same rows
-- Counts the known customers that :orders adds or takes away: those of sign 1 less those of sign -1. Everywhere counts
-- each of them once.
with

orders as (select source.* from :orders as source)

select
    quarter,
    coalesce(country, 'everywhere') as country,
    count(distinct customer_key) filter (where sign = 1)
    - count(distinct customer_key) filter (where sign = -1) as customers
from orders
where customer_key <> -1
group by grouping sets ((quarter, country), (quarter))
