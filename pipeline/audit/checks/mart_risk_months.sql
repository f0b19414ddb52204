-- mart.agg_risk_month has the sums of the orders of known customers
with

wanted as (
    select month, risk_score, order_status_key, orders, sales
    from
        (
            select month, risk_score, order_status_key, count(*) as orders, sum(order_amount)::decimal(28, 6) as sales
            from want.sale
            where customer_key is not null
            group by all
        )
),

found as (
    select month, risk_score, order_status_key, orders, sales from (select * from mart.agg_risk_month where orders <> 0)
)

select
    coalesce(wanted.month, found.month)::varchar
    || '/'
    || coalesce(wanted.risk_score, found.risk_score)::varchar
    || '/'
    || coalesce(wanted.order_status_key, found.order_status_key)::varchar as place,
    wanted::varchar as wanted,
    found::varchar as found
from wanted
full join
    found
    on
        wanted.month = found.month
        and wanted.risk_score = found.risk_score
        and wanted.order_status_key = found.order_status_key
where wanted is distinct from found
order by place
