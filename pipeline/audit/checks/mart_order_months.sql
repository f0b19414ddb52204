-- mart.agg_order_month has the sums of the orders
with

wanted as (
    select month, country, order_status_key, orders, sales, delivered_orders, fulfilment
    from
        (
            select
                month,
                country,
                order_status_key,
                count(*) as orders,
                sum(order_amount)::decimal(28, 6) as sales,
                count(fulfilment) as delivered_orders,
                coalesce(sum(fulfilment), 0)::bigint as fulfilment
            from want.sale
            group by all
        )
),

found as (
    select month, country, order_status_key, orders, sales, delivered_orders, fulfilment
    from (select * from mart.agg_order_month where orders <> 0)
)

select
    coalesce(wanted.month, found.month)::varchar
    || '/'
    || coalesce(wanted.country, found.country)::varchar
    || '/'
    || coalesce(wanted.order_status_key, found.order_status_key)::varchar as place,
    wanted::varchar as wanted,
    found::varchar as found
from wanted
full join
    found
    on
        wanted.month = found.month
        and wanted.country = found.country
        and wanted.order_status_key = found.order_status_key
where wanted is distinct from found
order by place
