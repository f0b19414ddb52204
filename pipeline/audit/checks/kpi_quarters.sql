-- mart.kpi_quarterly_country has the KPIs of its orders, and counts each customer once
with

everywhere as (
    select
        quarter,
        count(distinct customer_key) as customers
    from want.sale
    group by quarter
),

wanted as (
    select
        sale.quarter,
        sale.country,
        count(*) as orders,
        coalesce(sum(sale.order_amount) filter (where not sale.is_lost), 0)::decimal(28, 6) as sales,
        count(distinct sale.customer_key) as unique_customers,
        max(everywhere.customers) as unique_customers_everywhere
    from want.sale as sale
    inner join everywhere on sale.quarter = everywhere.quarter
    group by sale.quarter, sale.country
),

found as (
    select
        quarter,
        country,
        orders::bigint as orders,
        sales::decimal(28, 6) as sales,
        unique_customers,
        unique_customers_everywhere
    from mart.kpi_quarterly_country
)

select
    coalesce(wanted.quarter, found.quarter) || '/' || coalesce(wanted.country, found.country) as place,
    wanted::varchar as wanted,
    found::varchar as found
from wanted
full join found on wanted.quarter = found.quarter and wanted.country = found.country
where wanted is distinct from found
order by place
