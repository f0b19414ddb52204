-- kind: select
-- check: warn: source tables that brought far more or fewer rows a day than in the two months before
-- grain: one row per source table
-- reads: etl.task_run
-- rerun: gives the same rows
-- Far: by more than four standard deviations, by more than half of the mean, and by more than 100 rows. Says nothing of
-- a table with less than seven extracts in that time after the first, of which nobody knows how many days it brought.
with

extracts as (
    select
        params ->> 'table' as table_name,
        (params ->> 'date')::date as date,
        max(rows) as rows
    from etl.task_run
    where
        task = 'ExtractTable' and status = 'done'
        and params ->> 'date' between (:date::date - 60)::text and :date::date::text
    group by params ->> 'table', params ->> 'date'
),

-- An extract after a gap brings the rows of several days.
days as (
    select
        table_name,
        date,
        rows / (date - lag(date) over (partition by table_name order by date))::numeric as rows
    from extracts
),

bands as (
    select
        table_name,
        avg(rows) as mean,
        greatest(4 * stddev_samp(rows), avg(rows) / 2, 100) as far
    from days
    where date < :date::date
    group by table_name
    having count(rows) >= 7
)

select
    days.table_name,
    days.date,
    round(days.rows) as rows_a_day,
    round(bands.mean - bands.far) as at_least,
    round(bands.mean + bands.far) as at_most
from days
inner join bands on days.table_name = bands.table_name
where days.date = :date::date and abs(days.rows - bands.mean) > bands.far
