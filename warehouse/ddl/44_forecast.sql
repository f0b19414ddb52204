-- Sales by day, what was expected of each day, and how far the two were apart.
create view mart.sales_by_day with (security_barrier) as
with

agg_order_day as (
    select *
    from mart.agg_order_day
    where (select analyst.sees_every_country())
    union all
    (
        select *
        from mart.agg_order_day
        where not (select analyst.sees_every_country()) and country = any((select analyst.countries())::text[])
        offset 0 -- noqa: AM09
    )
)

select
    agg_order_day.month,
    agg_order_day.day,
    agg_order_day.country,
    sum(agg_order_day.orders)::bigint as orders,
    coalesce(sum(agg_order_day.sales) filter (where not status.is_lost), 0) as sales
from agg_order_day
inner join mart.order_status as status on agg_order_day.order_status_key = status.order_status_key
cross join mart.orders_loaded as loaded
where
    agg_order_day.orders > 0
    and (agg_order_day.day + 1)::timestamp at time zone 'UTC' <= loaded.loaded_to
group by agg_order_day.month, agg_order_day.day, agg_order_day.country;

comment on view mart.sales_by_day is 'Sales and orders of each day that is over, by country.';
comment on column mart.sales_by_day.month is 'First day of the UTC month.';
comment on column mart.sales_by_day.day is 'The UTC day of ordering.';
comment on column mart.sales_by_day.country is 'Where the orders are delivered to.';
comment on column mart.sales_by_day.orders is :text_of_orders;
comment on column mart.sales_by_day.sales is :text_of_sales;

-- Sales and the newest forecast of them. What is expected adds up over countries; a range holds for one country, or for
-- all of them.
create view mart.sales_outlook with (security_barrier) as
with

newest as (
    select max(run_day) as run_day
    from mart.forecast_run
    where made_ts is not null
),

sales_forecast as (
    select forecast.*
    from mart.sales_forecast as forecast
    inner join newest on forecast.run_day = newest.run_day
    where (select analyst.sees_every_country())
    union all
    (
        select forecast.*
        from mart.sales_forecast as forecast
        inner join newest on forecast.run_day = newest.run_day
        where
            not (select analyst.sees_every_country())
            and forecast.country = any((select analyst.countries())::text[])
        offset 0 -- noqa: AM09
    )
),

of_sales as (
    select * from sales_forecast
    where measure = 'sales'
),

countries as (
    select
        day,
        count(*) as countries
    from of_sales
    where country <> 'everywhere'
    group by day
)

select
    here.day,
    here.country,
    null::numeric as sales,
    here.expected,
    here.low_80,
    here.high_80,
    here.low_95,
    here.high_95,
    everywhere.low_80 as low_80_everywhere,
    everywhere.high_80 as high_80_everywhere,
    everywhere.low_95 as low_95_everywhere,
    everywhere.high_95 as high_95_everywhere,
    countries.countries as countries_everywhere
from of_sales as here
inner join countries on here.day = countries.day
left join of_sales as everywhere on here.day = everywhere.day and everywhere.country = 'everywhere'
where here.country <> 'everywhere'
union all
select
    sales.day,
    sales.country,
    sales.sales,
    null as expected,
    null as low_80,
    null as high_80,
    null as low_95,
    null as high_95,
    null as low_80_everywhere,
    null as high_80_everywhere,
    null as low_95_everywhere,
    null as high_95_everywhere,
    null as countries_everywhere
from mart.sales_by_day as sales
where sales.day > (select max(each.day) - 180 from mart.sales_by_day as each);

comment on view mart.sales_outlook is
'Sales of the last 180 days that are over, and what the newest forecast expects, by country.';
comment on column mart.sales_outlook.day is 'The UTC day.';
comment on column mart.sales_outlook.country is 'Where the orders are delivered to.';
comment on column mart.sales_outlook.sales is :text_of_sales;
comment on column mart.sales_outlook.expected is 'Sales that are expected; NULL on the days with sales.';
comment on column mart.sales_outlook.low_80 is 'Four days of five are between this and high_80, in this country.';
comment on column mart.sales_outlook.high_80 is 'Four days of five are between low_80 and this, in this country.';
comment on column mart.sales_outlook.low_95 is '19 days of 20 are between this and high_95, in this country.';
comment on column mart.sales_outlook.high_95 is '19 days of 20 are between low_95 and this, in this country.';
comment on column mart.sales_outlook.low_80_everywhere is
'The same for all countries together; NULL to a login that does not see every country.';
comment on column mart.sales_outlook.high_80_everywhere is
'The same for all countries together; NULL to a login that does not see every country.';
comment on column mart.sales_outlook.low_95_everywhere is
'The same for all countries together; NULL to a login that does not see every country.';
comment on column mart.sales_outlook.high_95_everywhere is
'The same for all countries together; NULL to a login that does not see every country.';
comment on column mart.sales_outlook.countries_everywhere is 'Countries of the forecast: how many rows the day has.';

-- Of each month that which was known before it began: a forecast that knew a part of the month is none of the month.
create view mart.forecast_error with (security_barrier) as
with

run_of_month as (
    select
        sales.month,
        max(run.run_day) as run_day
    from (select distinct each.month from mart.sales_by_day as each) as sales
    inner join mart.forecast_run as run on sales.month > run.run_day and run.made_ts is not null
    group by sales.month
)

select
    run_of_month.month,
    forecast.country,
    run_of_month.run_day,
    sum(coalesce(sales.sales, 0)) as sales,
    sum(forecast.expected) as expected
from run_of_month
inner join mart.sales_forecast as forecast
    on
        run_of_month.run_day = forecast.run_day
        and run_of_month.month = date_trunc('month', forecast.day)::date
left join mart.sales_by_day as sales on forecast.day = sales.day and forecast.country = sales.country
where
    forecast.measure = 'sales'
    and forecast.day <= (select max(each.day) from mart.sales_by_day as each)
    and ((select analyst.sees_every_country()) or forecast.country = any((select analyst.countries())::text[]))
    and forecast.country <> 'everywhere'
group by run_of_month.month, forecast.country, run_of_month.run_day;

comment on view mart.forecast_error is
'How far sales were from what the newest forecast before each month expected, by country.';
comment on column mart.forecast_error.month is 'First day of the UTC month.';
comment on column mart.forecast_error.country is 'Where the orders are delivered to.';
comment on column mart.forecast_error.run_day is 'Last day that the forecast knew.';
comment on column mart.forecast_error.sales is 'Sales of the days that are over and were forecast.';
comment on column mart.forecast_error.expected is 'What was expected of these days.';

-- The same for each country, so that who sees one country sees it too.
create view mart.forecast_state with (security_barrier) as
with

newest as (
    select * from mart.forecast_run
    order by run_day desc
    limit 1
),

countries as (
    select distinct country from mart.kpi_monthly_country
)

select
    countries.country,
    newest.run_day,
    case
        when newest.run_day is null then 'There is no forecast yet.'
        when newest.failure is not null then 'The newest forecast failed. The one before it is shown.'
        when newest.made_ts is null
            then to_char(newest.begun_ts at time zone 'UTC', '"A forecast is being made since "YYYY-MM-DD HH24:MI"."')
        else 'The forecast knows all days up to ' || to_char(newest.run_day, 'YYYY-MM-DD') || '.'
    end as state
from countries
left join newest on true;

comment on view mart.forecast_state is 'What there is to say of the newest forecast, the same for each country.';
comment on column mart.forecast_state.country is 'Where orders are delivered to.';
comment on column mart.forecast_state.run_day is 'Last day that it knows; NULL if there is none.';
comment on column mart.forecast_state.state is 'Whether it is there, being made, or failed.';
