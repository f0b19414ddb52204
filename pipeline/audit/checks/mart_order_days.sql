-- mart.agg_order_day has the sums of the orders
with

wanted as (
    select day, country, order_status_key, month, orders, sales
    from
        (
            select day, month, country, order_status_key, count(*) as orders, sum(order_amount)::decimal(28, 6) as sales
            from want.sale
            group by all
        )
),

found as (
    select day, country, order_status_key, month, orders, sales
    from (select * from mart.agg_order_day where orders <> 0)
)

select
    coalesce(wanted.day, found.day)::varchar
    || '/'
    || coalesce(wanted.country, found.country)::varchar
    || '/'
    || coalesce(wanted.order_status_key, found.order_status_key)::varchar as place,
    wanted::varchar as wanted,
    found::varchar as found
from wanted
full join
    found
    on wanted.day = found.day and wanted.country = found.country and wanted.order_status_key = found.order_status_key
where wanted is distinct from found
order by place
