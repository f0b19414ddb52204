-- Keeps in mart.line_before how the lines in work.fact_order_line stood until now: the first time that they are written
-- since LoadMart last ran. A rerun changes nothing.
insert into mart.line_before (order_id, line_number, product_key, line_amount, is_deleted)
select
    work.order_id,
    work.line_number,
    old.product_key,
    old.line_amount,
    old.is_deleted
from work.fact_order_line as work
left join dwh.fact_order_line as old on work.order_id = old.order_id and work.line_number = old.line_number
on conflict (order_id, line_number) do nothing
