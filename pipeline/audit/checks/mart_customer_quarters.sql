-- mart.agg_customer_quarter counts each known customer once, in a country and everywhere
with

wanted as (
    select quarter, country, customers from (
        select quarter, country, count(distinct customer_key) as customers
        from want.sale
        where customer_key is not null
        group by all
        union all
        select quarter, 'everywhere', count(distinct customer_key)
        from want.sale
        where customer_key is not null
        group by all
    )
),

found as (select quarter, country, customers from (select * from mart.agg_customer_quarter where customers <> 0))

select
    coalesce(wanted.quarter, found.quarter)::varchar
    || '/'
    || coalesce(wanted.country, found.country)::varchar as place,
    wanted::varchar as wanted,
    found::varchar as found
from wanted
full join found on wanted.quarter = found.quarter and wanted.country = found.country
where wanted is distinct from found
order by place
