-- How the lines in work.fact_order_line, which are about to be written, stand until now. A rerun gives the same.
select
    work.order_id,
    work.line_number,
    old.product_key,
    old.line_amount,
    old.is_deleted
from work.fact_order_line as work
left join dwh.fact_order_line as old on work.order_id = old.order_id and work.line_number = old.line_number
