-- kind: select
-- check: warn: order lines whose order is not there, but for deleted ones
-- grain: one row per order line
-- reads: :fact_order_line, dwh.fact_order
-- rerun: gives the same rows
select
    line.order_id,
    line.line_number
from :fact_order_line as line
left join dwh.fact_order on line.order_id = fact_order.order_id
where fact_order.order_id is null and not line.is_deleted
