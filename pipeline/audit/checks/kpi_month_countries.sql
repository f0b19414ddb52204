-- mart.kpi_monthly_country has the KPIs of the orders in stage
with

wanted as (
    select
        *,
        orders - lost_orders as orders_not_lost,
        month + interval 1 month
        <= (select loaded_to from etl.stage_batch where table_name = 'orders') as is_complete
    from want.kpi
),

found as (select * from mart.kpi_monthly_country)

select
    coalesce(wanted.month, found.month) || ' ' || coalesce(wanted.country, found.country) as place,
    wanted::varchar as wanted,
    found::varchar as found
from wanted
full join found on wanted.month = found.month and wanted.country = found.country
where
    wanted.month is null or found.month is null
    or wanted.orders <> found.orders or wanted.lost_orders <> found.lost_orders
    or wanted.orders_not_lost <> found.orders_not_lost or wanted.delivered_orders <> found.delivered_orders
    or wanted.is_complete <> found.is_complete
    or not is_near(wanted.sales, found.sales) or not is_near(wanted.fulfilment_days, found.fulfilment_days)
order by place
