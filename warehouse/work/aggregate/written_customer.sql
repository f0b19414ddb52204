-- kind: select
-- grain: one row per order and sign in counted_order, and two, with both signs, per other order of their customers
-- reads: counted_order, dwh.dim_address, dwh.fact_order
-- rerun: gives the same rows
-- Adds to the orders in counted_order all others of their customers in a quarter in which they have more or fewer
-- orders of some month in some country than when the aggregates were last kept: whether they are new there, the others
-- tell.
with

moved as (
    select distinct
        customer_key,
        quarter
    from (
        select
            customer_key,
            quarter
        from counted_order
        where customer_key <> -1
        group by customer_key, quarter, month, country
        having sum(sign) <> 0
    ) as by_month
),

others as (
    select
        moved.customer_key,
        moved.quarter,
        date_trunc('month', fact_order.ordered_ts at time zone 'UTC')::date as month,
        address.country
    from moved
    inner join dwh.fact_order
        on
            moved.customer_key = fact_order.customer_key
            -- As a range, which an index finds: customers have more orders with each year.
            and fact_order.ordered_ts >= moved.quarter::timestamp at time zone 'UTC'
            and fact_order.ordered_ts < (moved.quarter + interval '3 months') at time zone 'UTC'
    inner join dwh.dim_address as address on fact_order.address_key = address.address_key
    left join counted_order on fact_order.order_id = counted_order.order_id and counted_order.sign = 1
    where counted_order.order_id is null and not fact_order.is_deleted
)

select
    sign.sign,
    others.customer_key,
    others.quarter,
    others.month,
    others.country
from others
cross join (values (1), (-1)) as sign (sign)
union all
select
    sign,
    customer_key,
    quarter,
    month,
    country
from counted_order
