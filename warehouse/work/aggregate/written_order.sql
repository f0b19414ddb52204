-- kind: select
-- grain: one row per order and sign, of the orders that count otherwise than when the aggregates were last kept
-- reads: dwh.fact_order, dwh.fact_order_line, mart.address_before, mart.line_before, mart.order_before,
--     mart.product_before
-- rerun: gives the same rows
-- Takes the orders that were written since then, or a line of which was, and those whose address, or the product of a
-- line, counts for another country or subtype since. Gives them as they stand now with sign 1, and as they stood then
-- with sign -1.
with

touched as (
    select order_id from mart.order_before
    union
    select order_id from mart.line_before
    union
    select fact_order.order_id
    from mart.address_before
    inner join dwh.fact_order on address_before.address_key = fact_order.address_key
    union
    select fact_order_line.order_id
    from mart.product_before
    inner join dwh.fact_order_line on product_before.product_key = fact_order_line.product_key
),

now_there as (
    select fact_order.*
    from dwh.fact_order
    inner join touched on fact_order.order_id = touched.order_id
)

select
    1 as sign,
    order_id,
    customer_key,
    address_key,
    order_status_key,
    ordered_ts,
    delivered_ts,
    order_amount,
    is_deleted
from now_there
union all
select
    -1 as sign,
    now_there.order_id,
    now_there.customer_key,
    now_there.address_key,
    now_there.order_status_key,
    now_there.ordered_ts,
    now_there.delivered_ts,
    now_there.order_amount,
    now_there.is_deleted
from now_there
left join mart.order_before on now_there.order_id = order_before.order_id
where order_before.order_id is null
union all
select
    -1 as sign,
    order_id,
    customer_key,
    address_key,
    order_status_key,
    ordered_ts,
    delivered_ts,
    order_amount,
    is_deleted
from mart.order_before
where ordered_ts is not null
