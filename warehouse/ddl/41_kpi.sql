-- What the KPIs add up, by country, and the KPIs of a month and of a quarter. warehouse/kpis.toml defines each of them:
-- `:kpi_sales` stands for its expression, and `:text_of_sales` for its text.

-- All that was changed in the source before this instant is loaded: with the star on the lake alone, what the lake has
-- loaded, and not what stage has taken note of.
create view mart.orders_loaded as
select case when stage.is_on_lake then coalesce(lake.loaded_to, '-infinity') else stage.loaded_to end as loaded_to
from etl.stage_batch as stage
left join etl.lake_table as lake on stage.table_name = lake.table_name
where stage.table_name = 'orders';

comment on view mart.orders_loaded is 'Up to when changes of orders are loaded; no row before the first load.';
comment on column mart.orders_loaded.loaded_to is 'All that was changed in the source before this instant is loaded.';

-- Each view with a country asks itself what a login may see: it has the rights of its owner, whom no row-level security
-- binds. The barrier keeps the functions of a query away from the rows that are hidden; `offset 0` its comparisons too,
-- which PostgreSQL trusts, and so makes before it asks for the country: whether it asks then tells what a row holds.
create view mart.kpi_monthly_country with (security_barrier) as
with

agg_order_month as (
    select *
    from mart.agg_order_month
    where (select analyst.sees_every_country())
    union all
    (
        select *
        from mart.agg_order_month
        where not (select analyst.sees_every_country()) and country = any((select analyst.countries())::text[])
        offset 0 -- noqa: AM09
    )
)

select
    agg_order_month.month,
    agg_order_month.country,
    (agg_order_month.month + interval '1 month') at time zone 'UTC' <= loaded.loaded_to as is_complete,
    sum(agg_order_month.orders)::bigint as orders,
    coalesce(sum(agg_order_month.orders) filter (where status.is_lost), 0)::bigint as lost_orders,
    coalesce(sum(agg_order_month.orders) filter (where not status.is_lost), 0)::bigint as orders_not_lost,
    coalesce(sum(agg_order_month.sales) filter (where not status.is_lost), 0) as sales,
    coalesce(sum(agg_order_month.delivered_orders) filter (where not status.is_lost), 0)::bigint as delivered_orders,
    coalesce(sum(agg_order_month.fulfilment) filter (where not status.is_lost), 0) / 86400000000 as fulfilment_days,
    :lost_order_limit::numeric as lost_order_limit
from agg_order_month
inner join mart.order_status as status on agg_order_month.order_status_key = status.order_status_key
cross join mart.orders_loaded as loaded
where agg_order_month.orders > 0
group by agg_order_month.month, agg_order_month.country, loaded.loaded_to;

comment on view mart.kpi_monthly_country is 'What the KPIs are made of, by month of ordering and country of delivery.';
comment on column mart.kpi_monthly_country.month is 'First day of the UTC month.';
comment on column mart.kpi_monthly_country.country is 'Where the order is delivered to.';
comment on column mart.kpi_monthly_country.is_complete is 'False while the month is in progress.';
comment on column mart.kpi_monthly_country.orders is 'All orders, lost ones too.';
comment on column mart.kpi_monthly_country.lost_orders is 'Orders in a status that counts as lost.';
comment on column mart.kpi_monthly_country.orders_not_lost is 'Orders less lost orders.';
comment on column mart.kpi_monthly_country.sales is 'Line amounts of the orders that are not lost.';
comment on column mart.kpi_monthly_country.delivered_orders is 'Orders delivered and not lost.';
comment on column mart.kpi_monthly_country.fulfilment_days is
'Days from order to delivery, added up over the orders delivered and not lost.';
comment on column mart.kpi_monthly_country.lost_order_limit is
'The share of orders that may be lost, as set in luigi.cfg; the same in each row.';

create view mart.kpi_monthly as
select
    month,
    :kpi_sales as sales,
    (:kpi_orders)::bigint as orders,
    :kpi_average_order_value as average_order_value,
    :kpi_lost_order_rate as lost_order_rate,
    :kpi_lost_order_deviation as lost_order_deviation,
    :kpi_average_fulfilment_days as average_fulfilment_days,
    coalesce(
        (select agg.customers from mart.agg_customer_month as agg where agg.month = measures.month), 0
    ) as unique_customers,
    bool_and(is_complete) as is_complete
from mart.kpi_monthly_country as measures
group by month;

comment on view mart.kpi_monthly is 'The KPIs of each UTC month in which an order was placed.';
comment on column mart.kpi_monthly.month is 'First day of the month.';
comment on column mart.kpi_monthly.sales is :text_of_sales;
comment on column mart.kpi_monthly.orders is :text_of_orders;
comment on column mart.kpi_monthly.average_order_value is :text_of_average_order_value;
comment on column mart.kpi_monthly.lost_order_rate is :text_of_lost_order_rate;
comment on column mart.kpi_monthly.lost_order_deviation is :text_of_lost_order_deviation;
comment on column mart.kpi_monthly.average_fulfilment_days is :text_of_average_fulfilment_days;
comment on column mart.kpi_monthly.unique_customers is 'Known customers who placed an order, lost or not.';
comment on column mart.kpi_monthly.is_complete is 'False while the month is in progress.';

create view mart.kpi_quarterly_country with (security_barrier) as
with

kpi_monthly_country as (select * from mart.kpi_monthly_country),

-- 'everywhere' is no country that anybody is given.
agg_customer_quarter as (
    select *
    from mart.agg_customer_quarter
    where (select analyst.sees_every_country())
    union all
    (
        select *
        from mart.agg_customer_quarter
        where not (select analyst.sees_every_country()) and country = any((select analyst.countries())::text[])
        offset 0 -- noqa: AM09
    )
),

loaded as (
    select case when stage.is_on_lake then coalesce(lake.loaded_to, '-infinity') else stage.loaded_to end as loaded_to
    from etl.stage_batch as stage
    left join etl.lake_table as lake on stage.table_name = lake.table_name
    where stage.table_name = 'orders'
),

quarters as (
    select
        date_trunc('quarter', month)::date as quarter,
        country,
        sum(orders) as orders,
        sum(lost_orders) as lost_orders,
        sum(orders_not_lost) as orders_not_lost,
        sum(sales) as sales,
        sum(delivered_orders) as delivered_orders,
        sum(fulfilment_days) as fulfilment_days,
        max(lost_order_limit) as lost_order_limit,
        (date_trunc('quarter', month)::date + interval '3 months') at time zone 'UTC' <= max(loaded_to) as is_complete
    from kpi_monthly_country
    cross join loaded
    group by date_trunc('quarter', month)::date, country
),

countries as (
    select
        quarter,
        count(*) as countries
    from quarters
    group by quarter
)

select
    quarters.quarter,
    to_char(quarters.quarter, 'YYYY-"Q"Q') || case when quarters.is_complete then '' else '*' end as quarter_label,
    quarters.country,
    quarters.is_complete,
    quarters.orders,
    quarters.lost_orders,
    quarters.orders_not_lost,
    quarters.sales,
    quarters.delivered_orders,
    quarters.fulfilment_days,
    quarters.lost_order_limit,
    coalesce(here.customers, 0) as unique_customers,
    case
        when (select analyst.sees_every_country()) then coalesce(everywhere.customers, 0)
    end as unique_customers_everywhere,
    countries.countries as countries_everywhere
from quarters
inner join countries on quarters.quarter = countries.quarter
left join agg_customer_quarter as here on quarters.quarter = here.quarter and quarters.country = here.country
left join agg_customer_quarter as everywhere
    on quarters.quarter = everywhere.quarter and everywhere.country = 'everywhere';

comment on view mart.kpi_quarterly_country is
'What the KPIs are made of, by quarter of ordering and country; unique customers do not add up over countries.';
comment on column mart.kpi_quarterly_country.quarter is 'First day of the UTC quarter.';
comment on column mart.kpi_quarterly_country.quarter_label is
'The quarter as 2026-Q3, with a * while it is in progress.';
comment on column mart.kpi_quarterly_country.country is 'Where the order is delivered to.';
comment on column mart.kpi_quarterly_country.is_complete is 'False while the quarter is in progress.';
comment on column mart.kpi_quarterly_country.orders is 'All orders, lost ones too.';
comment on column mart.kpi_quarterly_country.lost_orders is 'Orders in a status that counts as lost.';
comment on column mart.kpi_quarterly_country.orders_not_lost is 'Orders less lost orders.';
comment on column mart.kpi_quarterly_country.sales is 'Line amounts of the orders that are not lost.';
comment on column mart.kpi_quarterly_country.delivered_orders is 'Orders delivered and not lost.';
comment on column mart.kpi_quarterly_country.fulfilment_days is
'Days from order to delivery, added up over the orders delivered and not lost.';
comment on column mart.kpi_quarterly_country.lost_order_limit is
'The share of orders that may be lost, as set in luigi.cfg; the same in each row.';
comment on column mart.kpi_quarterly_country.unique_customers is
'Known customers who placed an order for this country, lost or not.';
comment on column mart.kpi_quarterly_country.unique_customers_everywhere is
'Known customers who placed an order, each counted once; the same in each row of the quarter, and null to a login that '
'does not see every country.';
comment on column mart.kpi_quarterly_country.countries_everywhere is 'Countries of the quarter: how many rows it has.';

create view mart.kpi_quarterly as
select
    quarter,
    :kpi_sales as sales,
    (:kpi_orders)::bigint as orders,
    :kpi_average_order_value as average_order_value,
    :kpi_lost_order_rate as lost_order_rate,
    :kpi_lost_order_deviation as lost_order_deviation,
    :kpi_average_fulfilment_days as average_fulfilment_days,
    :kpi_unique_customers as unique_customers,
    bool_and(is_complete) as is_complete
from mart.kpi_quarterly_country
group by quarter;

comment on view mart.kpi_quarterly is 'The KPIs of each UTC quarter in which an order was placed.';
comment on column mart.kpi_quarterly.quarter is 'First day of the quarter.';
comment on column mart.kpi_quarterly.sales is :text_of_sales;
comment on column mart.kpi_quarterly.orders is :text_of_orders;
comment on column mart.kpi_quarterly.average_order_value is :text_of_average_order_value;
comment on column mart.kpi_quarterly.lost_order_rate is :text_of_lost_order_rate;
comment on column mart.kpi_quarterly.lost_order_deviation is :text_of_lost_order_deviation;
comment on column mart.kpi_quarterly.average_fulfilment_days is :text_of_average_fulfilment_days;
comment on column mart.kpi_quarterly.unique_customers is 'Known customers who placed an order, lost or not.';
comment on column mart.kpi_quarterly.is_complete is 'False while the quarter is in progress.';
