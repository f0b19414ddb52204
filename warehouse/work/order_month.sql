-- Adds to mart.order_month what a load of fact_order makes different: the rows of the relation :written come in, those
-- of :replaced, as they stood before, go out. Months are UTC.
with

-- By day first: a million orders are counted by a cheap key, a few hundred days by month.
days as (
    select
        (written.ordered_ts at time zone 'UTC')::date as day,
        written.order_status_key,
        1 as sign,
        count(*) as orders,
        sum(written.order_amount) as order_amount,
        count(written.delivered_ts) as delivered_orders,
        coalesce(sum(written.delivered_ts - written.ordered_ts), interval '0') as fulfilment
    from :written as written
    group by 1, 2
    union all
    select
        (replaced.ordered_ts at time zone 'UTC')::date as day,
        replaced.order_status_key,
        -1 as sign,
        count(*) as orders,
        sum(replaced.order_amount) as order_amount,
        count(replaced.delivered_ts) as delivered_orders,
        coalesce(sum(replaced.delivered_ts - replaced.ordered_ts), interval '0') as fulfilment
    from :replaced as replaced
    group by 1, 2
),

differences as (
    select
        date_trunc('month', day)::date as month,
        order_status_key,
        sum(sign * orders) as orders,
        sum(sign * order_amount) as order_amount,
        sum(sign * delivered_orders) as delivered_orders,
        sum(sign * fulfilment) as fulfilment
    from days
    group by 1, 2
)

insert into mart.order_month as total (month, order_status_key, orders, order_amount, delivered_orders, fulfilment)
select
    month,
    order_status_key,
    orders,
    order_amount,
    delivered_orders,
    fulfilment
from differences
on conflict (month, order_status_key) do update
    set
        orders = total.orders + excluded.orders,
        order_amount = total.order_amount + excluded.order_amount,
        delivered_orders = total.delivered_orders + excluded.delivered_orders,
        fulfilment = total.fulfilment + excluded.fulfilment
