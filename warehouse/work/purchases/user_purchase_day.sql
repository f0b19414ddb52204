-- kind: select
-- grain: one row per day in replaced_day
-- reads: replaced_day, stage.user_purchase
-- rerun: gives the same rows
-- Tells how the days are loaded now: with :min_quantity and up to :window_end.
with

purchases as (
    select
        invoice_date::date as day,
        count(*) as rows,
        count(*) filter (where customer_id is null) as without_customer
    from stage.user_purchase
    where invoice_date >= (select min(day) from replaced_day)
    group by 1
)

select
    replaced_day.day,
    :min_quantity::integer as min_quantity,
    least(replaced_day.day + 1, :window_end::timestamp) as loaded_to,
    coalesce(purchases.rows, 0) as rows,
    coalesce(purchases.without_customer, 0) as without_customer
from replaced_day
left join purchases on replaced_day.day = purchases.day
