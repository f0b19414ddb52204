-- mart.kpi_monthly has the KPIs of the orders in stage
with

wanted as (
    select
        month,
        sum(sales) as sales,
        sum(orders) as orders,
        sum(sales)::double / nullif(sum(orders - lost_orders), 0) as average_order_value,
        sum(lost_orders) / sum(orders) as lost_order_rate,
        sum(lost_orders) / sum(orders) - (select max(lost_order_limit)::double from mart.kpi_monthly_country)
            as lost_order_deviation,
        sum(fulfilment_days) / nullif(sum(delivered_orders), 0) as average_fulfilment_days,
        (
            select count(distinct sale.customer_key) from want.sale as sale
            where sale.month = kpi.month
        ) as unique_customers
    from want.kpi as kpi
    group by month
),

found as (select * from mart.kpi_monthly)

select
    coalesce(wanted.month, found.month)::varchar as place,
    wanted::varchar as wanted,
    found::varchar as found
from wanted
full join found on wanted.month = found.month
where
    wanted.month is null or found.month is null
    or wanted.orders <> found.orders or wanted.unique_customers <> found.unique_customers
    or not is_near(wanted.sales, found.sales)
    or not is_near(wanted.average_order_value, found.average_order_value)
    or not is_near(wanted.lost_order_rate, found.lost_order_rate)
    or not is_near(wanted.lost_order_deviation, found.lost_order_deviation)
    or not is_near(wanted.average_fulfilment_days, found.average_fulfilment_days)
order by place
