-- kind: select
-- grain: one row per line in work.fact_order_line
-- reads: dwh.fact_order_line, work.fact_order_line
-- rerun: gives the same rows, until dwh.fact_order_line is written
-- Gives how the lines that are about to be written stand until now; NULLs where there is no such line yet.
select
    work.order_id,
    work.line_number,
    old.product_key,
    old.line_amount,
    old.is_deleted
from work.fact_order_line as work
left join dwh.fact_order_line as old on work.order_id = old.order_id and work.line_number = old.line_number
