-- The purchases in delta.user_purchase of the days in replaced_day. Runs after these days were taken out of stage.
insert into stage.user_purchase (
    invoice_number, stock_code, detail, quantity, invoice_date, unit_price, customer_id, country
)
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
