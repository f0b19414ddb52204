-- mart.kpi_quarterly_country has the KPIs of its months, and its own customers
with

wanted as (select quarter, country, orders, sales, unique_customers, unique_customers_everywhere from (select quarter, country, count(*) as orders, round(coalesce(sum(order_amount) filter (where not is_lost), 0)::double, 4) as sales, count(distinct customer_key) as unique_customers, (select count(distinct everywhere.customer_key) from want.sale as everywhere where everywhere.quarter = sale.quarter) as unique_customers_everywhere from want.sale as sale group by all)),

found as (select quarter, country, orders, sales, unique_customers, unique_customers_everywhere from (select quarter, country, orders::bigint as orders, round(sales::double, 4) as sales, unique_customers, unique_customers_everywhere from mart.kpi_quarterly_country))

select
    coalesce(wanted.quarter, found.quarter)::varchar || '/' || coalesce(wanted.country, found.country)::varchar as place,
    wanted::varchar as wanted,
    found::varchar as found
from wanted
full join found on wanted.quarter = found.quarter and wanted.country = found.country
where wanted is distinct from found
order by place
