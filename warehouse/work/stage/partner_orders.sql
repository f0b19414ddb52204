-- kind: select
-- grain: one row per item of a partner's order that stage does not hold yet in this form, as batch :batch
-- reads: delta.partner_orders, stage.partner_orders
-- rerun: gives nothing, once stage holds the rows
-- Takes the row of each item that was delivered last, from delta and stage. With equal times the text of the rows
-- decides, so that the order of files does not matter.
with

delivered as (select distinct order_id, item_id from delta.partner_orders),

candidates as (
    select
        order_id,
        item_id,
        customer_id,
        item_name,
        delivered_on,
        false as is_known
    from delta.partner_orders
    union all
    select
        stage.order_id,
        stage.item_id,
        stage.customer_id,
        stage.item_name,
        stage.delivered_on,
        true as is_known
    from stage.partner_orders as stage
    inner join delivered on stage.order_id = delivered.order_id and stage.item_id = delivered.item_id
),

ranked as (
    select
        candidates.*,
        row_number() over (
            partition by candidates.order_id, candidates.item_id
            order by
                candidates.delivered_on desc nulls last,
                coalesce(candidates.item_name, '') collate "C" desc, -- noqa: RF03
                candidates.customer_id desc nulls last,
                candidates.is_known desc
        ) as place
    from candidates
)

select
    order_id,
    item_id,
    customer_id,
    item_name,
    delivered_on,
    :batch as etl_batch
from ranked
where place = 1 and not is_known
