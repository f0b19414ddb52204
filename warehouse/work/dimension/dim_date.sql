-- kind: select
-- grain: one row per day of each calendar year from the first to the last that changed rows touch
-- reads: :instants, stage.orders
-- rerun: gives the same rows
-- Takes the years in which a changed order was placed or delivered, and those of the instants that feeds brought (UTC).
-- If these lie more than a century apart, a year is mistyped, and only the years of the rows are taken. Changed orders
-- are those of stage after the batch :orders_after.
with

orders as (
    select ordered_ts, delivered_ts from stage.orders
    where etl_batch > :orders_after
),

feeds as (select brought.instant from :instants as brought),

bounds as (
    select
        min(least(ordered_ts, delivered_ts)) as first_ts,
        max(greatest(ordered_ts, delivered_ts)) as last_ts
    from orders
    union all
    select
        min(instant) as first_ts,
        max(instant) as last_ts
    from feeds
),

span as (
    select
        date_trunc('year', min(first_ts) at time zone 'UTC') as first_year,
        date_trunc('year', max(last_ts) at time zone 'UTC') as last_year
    from bounds
),

touched as (
    select ordered_ts as instant from orders
    union all
    select delivered_ts from orders
    union all
    select instant from feeds
),

years as (
    select generate_series(first_year, last_year, interval '1 year') as first_day
    from span
    where last_year < first_year + interval '100 years'
    union
    select distinct date_trunc('year', instant at time zone 'UTC')
    from touched
    where (select last_year >= first_year + interval '100 years' from span) and isfinite(instant)
),

days as (
    select generate_series(first_day, first_day + interval '1 year' - interval '1 day', interval '1 day') as midnight
    from years
),

dates as (select midnight::date as date from days)

select
    to_char(date, 'YYYYMMDD')::bigint as date_key,
    date,
    extract(year from date)::integer as year,
    extract(quarter from date)::integer as quarter,
    extract(month from date)::integer as month,
    to_char(date, 'FMMonth') as month_name,
    extract(week from date)::integer as week,
    extract(day from date)::integer as day_of_month,
    extract(isodow from date)::integer as day_of_week,
    to_char(date, 'FMDay') as day_name,
    extract(isodow from date) >= 6 as is_weekend
from dates
