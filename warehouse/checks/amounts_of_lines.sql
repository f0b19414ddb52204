-- kind: select
-- check: error: order lines whose amount is not quantity times price
-- grain: one row per order line
-- reads: :fact_order_line
-- rerun: gives the same rows
select
    line.order_id,
    line.line_number,
    line.quantity,
    line.unit_price,
    line.line_amount
from :fact_order_line as line
where line.line_amount is distinct from line.quantity * line.unit_price
