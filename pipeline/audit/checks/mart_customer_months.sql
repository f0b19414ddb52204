-- mart.agg_customer_month counts each known customer once
with

wanted as (
    select month, customers
    from
        (
            select month, count(distinct customer_key) as customers
            from want.sale
            where customer_key is not null
            group by all
        )
),

found as (select month, customers from (select * from mart.agg_customer_month where customers <> 0))

select
    coalesce(wanted.month, found.month)::varchar as place,
    wanted::varchar as wanted,
    found::varchar as found
from wanted
full join found on wanted.month = found.month
where wanted is distinct from found
order by place
