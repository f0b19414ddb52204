-- days of dwh.dim_date are what the calendar says
select
    date_key::varchar as place,
    strftime(date, '%Y%m%d, %G-%V, %-d.%-m., %u') as wanted,
    date_key || ', ' || year || '-' || week || ', ' || day_of_month || '.' || month || '., ' || day_of_week as found
from dwh.dim_date
where
    date_key <> -1
    and (
        date_key <> strftime(date, '%Y%m%d')::bigint or year <> year(date) or quarter <> quarter(date)
        or month <> month(date) or day_of_month <> day(date) or day_of_week <> isodow(date)
        or week <> weekofyear(date) or is_weekend <> (isodow(date) > 5)
        or month_name <> monthname(date) or day_name <> dayname(date)
    )
order by place
