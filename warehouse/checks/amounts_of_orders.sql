-- kind: select
-- check: error: orders whose amount or number of lines is not what their lines add up to
-- grain: one row per order
-- reads: :fact_order, dwh.fact_order, dwh.fact_order_line
-- rerun: gives the same rows
-- Leaves deleted lines out, but for an order that is deleted itself.
with

lines as (
    select
        fact.order_id,
        count(line.order_id) as line_count,
        coalesce(sum(line.line_amount), 0) as line_amount
    from :fact_order as fact
    left join dwh.fact_order_line as line
        on fact.order_id = line.order_id and (not line.is_deleted or fact.is_deleted)
    group by fact.order_id
)

select
    fact_order.order_id,
    fact_order.line_count,
    lines.line_count as lines_found,
    fact_order.order_amount,
    lines.line_amount as amount_of_lines
from dwh.fact_order
inner join lines on fact_order.order_id = lines.order_id
where fact_order.line_count <> lines.line_count or fact_order.order_amount <> lines.line_amount
