-- kind: select
-- check: error, whole: months in which the mart has not counted what the facts hold
-- grain: one row per month and status of orders
-- reads: dwh.fact_order, mart.agg_order_month, mart.line_before, mart.order_before, mart.refill
-- rerun: gives the same rows
-- Says nothing while the mart is behind, or is not kept.
with

waiting as (
    select from mart.refill
    union all
    select from mart.order_before
    union all
    select from mart.line_before
),

facts as (
    select
        date_trunc('month', fact.ordered_ts at time zone 'UTC')::date as month,
        fact.order_status_key,
        count(*) as orders,
        sum(fact.order_amount) as sales
    from dwh.fact_order as fact
    where not fact.is_deleted
    group by date_trunc('month', fact.ordered_ts at time zone 'UTC')::date, fact.order_status_key
),

mart as (
    select
        month,
        order_status_key,
        sum(orders) as orders,
        sum(sales) as sales
    from mart.agg_order_month
    group by month, order_status_key
)

select
    coalesce(facts.month, mart.month) as month,
    coalesce(facts.order_status_key, mart.order_status_key) as order_status_key,
    facts.orders,
    mart.orders as orders_in_mart,
    facts.sales,
    mart.sales as sales_in_mart
from facts
full join mart on facts.month = mart.month and facts.order_status_key = mart.order_status_key
where
    -- A month of which all orders left stays in the mart, and counts nothing.
    (coalesce(facts.orders, 0) <> coalesce(mart.orders, 0) or coalesce(facts.sales, 0) <> coalesce(mart.sales, 0))
    and not exists (select from waiting)
