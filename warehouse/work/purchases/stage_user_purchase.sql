-- kind: select
-- grain: one row per purchase in delta.user_purchase of the days in replaced_day
-- reads: delta.user_purchase, replaced_day
-- rerun: gives the same rows
select
    delta.invoice_number,
    delta.stock_code,
    delta.detail,
    delta.quantity,
    delta.invoice_date,
    delta.unit_price,
    delta.customer_id,
    delta.country
from delta.user_purchase as delta
inner join replaced_day on delta.invoice_date::date = replaced_day.day
