-- kind: select
-- grain: one row per address in work.dim_address that gets another country
-- reads: dwh.dim_address, work.dim_address
-- rerun: gives the same rows, until dwh.dim_address is written
-- Gives the countries in which the mart counts the orders of these addresses until now.
select
    old.address_key,
    old.country
from work.dim_address as work
inner join dwh.dim_address as old on work.address_id = old.address_id
where work.country <> old.country
