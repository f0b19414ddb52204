-- One row per day of each calendar year in which a changed order was placed or delivered (UTC). Reads stage.orders
-- after batch :orders_after. Years between that no order touches are left out, so that one mistyped year does not
-- bring thousands of them. A rerun gives the same rows.
with

orders as (select ordered_ts, delivered_ts from stage.orders where etl_batch > :orders_after),

touched as (
    select distinct (ordered_ts at time zone 'UTC')::date as date from orders
    union
    select distinct (delivered_ts at time zone 'UTC')::date from orders
),

years as (select distinct date_trunc('year', date) as first_day from touched where isfinite(date)),

days as (
    select generate_series(first_day, first_day + interval '1 year - 1 day', interval '1 day')::date as date
    from years
)

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
from days
