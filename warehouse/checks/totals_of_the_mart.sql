-- kind: select
-- check: error, whole: months in which the mart has not counted what the facts hold
-- grain: one row per month
-- reads: dwh.dim_order_status, dwh.fact_order, mart.agg_order_month, mart.line_before, mart.order_before, mart.refill
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
        count(*) as orders,
        coalesce(sum(fact.order_amount) filter (where not status.is_lost), 0) as sales
    from dwh.fact_order as fact
    inner join dwh.dim_order_status as status on fact.order_status_key = status.order_status_key
    where not fact.is_deleted
    group by date_trunc('month', fact.ordered_ts at time zone 'UTC')::date
),

mart as (
    select
        month,
        sum(orders) as orders,
        sum(sales) as sales
    from mart.agg_order_month
    group by month
)

select
    coalesce(facts.month, mart.month) as month,
    facts.orders,
    mart.orders as orders_in_mart,
    facts.sales,
    mart.sales as sales_in_mart
from facts
full join mart on facts.month = mart.month
where
    -- A month of which all orders left stays in the mart, and counts nothing.
    (coalesce(facts.orders, 0) <> coalesce(mart.orders, 0) or coalesce(facts.sales, 0) <> coalesce(mart.sales, 0))
    and not exists (select from waiting)
