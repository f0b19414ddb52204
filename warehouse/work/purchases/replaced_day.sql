-- kind: select
-- grain: one row per day that a load of purchases replaces
-- reads: delta.user_purchase, etl.user_purchase_day
-- rerun: gives fewer rows, once days are loaded
-- Takes the date :date, and the days of delta.user_purchase (from :window_begin, or from its first row if that is
-- -infinity) that were not loaded, or not completely. A day that a later load took beyond :window_end stays, unless it
-- was loaded with another :min_quantity.
with

bounds as (
    select
        case
            when :window_begin = '-infinity' then coalesce(min(invoice_date)::date, :date::date)
            else :window_begin::timestamp::date
        end as first_day,
        :date::date as last_day
    from delta.user_purchase
),

days as (
    select generate_series(first_day, last_day, interval '1 day')::date as day
    from bounds
    union
    select :date::date
)

select days.day
from days
left join etl.user_purchase_day as loaded on days.day = loaded.day
where
    loaded.day is null
    or loaded.loaded_to < loaded.day + 1
    or (
        days.day = :date
        and (loaded.loaded_to <= :window_end::timestamp or loaded.min_quantity <> :min_quantity)
    )
