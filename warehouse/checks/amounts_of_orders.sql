-- kind: select
-- check: error: orders whose amount or number of lines is not what their lines add up to
-- grain: one row per order
-- reads: :fact_order, dwh.fact_order_line
-- rerun: gives the same rows
-- Leaves deleted lines out, but for an order that is deleted itself.
select
    fact.order_id,
    fact.line_count,
    count(line.order_id) as lines_found,
    fact.order_amount,
    coalesce(sum(line.line_amount), 0) as amount_of_lines
from :fact_order as fact
left join dwh.fact_order_line as line
    on fact.order_id = line.order_id and (not line.is_deleted or fact.is_deleted)
group by fact.order_id, fact.line_count, fact.order_amount
having fact.line_count <> count(line.order_id) or fact.order_amount <> coalesce(sum(line.line_amount), 0)
