-- kind: select
-- grain: one row per order line and sign, of the orders in counted_order
-- reads: counted_order, dwh.fact_order_line, mart.line_before
-- rerun: gives the same rows
-- Gives the lines as they stand now with sign 1, and as they stood when the aggregates were last kept with sign -1.
with

orders as (select distinct order_id from counted_order),

now_there as (
    select fact_order_line.*
    from dwh.fact_order_line
    inner join orders on fact_order_line.order_id = orders.order_id
)

select
    1 as sign,
    order_id,
    product_key,
    line_amount,
    is_deleted
from now_there
union all
select
    -1 as sign,
    now_there.order_id,
    now_there.product_key,
    now_there.line_amount,
    now_there.is_deleted
from now_there
left join mart.line_before
    on now_there.order_id = line_before.order_id and now_there.line_number = line_before.line_number
where line_before.order_id is null
union all
select
    -1 as sign,
    order_id,
    product_key,
    line_amount,
    is_deleted
from mart.line_before
where product_key is not null
