-- Adds to mart.order_month what a load of fact_order makes different: the rows of the relation :written come in, those
-- of :replaced, as they stood before, go out. Months are UTC.
with

contributions as (
    select ordered_ts, delivered_ts, order_status_key, order_amount, 1 as sign from :written
    union all
    select ordered_ts, delivered_ts, order_status_key, order_amount, -1 as sign from :replaced
),

differences as (
    select
        date_trunc('month', ordered_ts at time zone 'UTC')::date as month,
        order_status_key,
        sum(sign) as orders,
        sum(sign * order_amount) as order_amount,
        coalesce(sum(sign) filter (where delivered_ts is not null), 0) as delivered_orders,
        coalesce(sum(sign * (delivered_ts - ordered_ts)), interval '0') as fulfilment
    from contributions
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
