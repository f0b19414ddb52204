-- items of dwh.fact_partner_order are those of stage, with their customer
with

wanted as (
    select order_id, item_id, customer_key, delivered_date_key, item_name, delivered_ts from want.fact_partner_order
),

found as (
    select order_id, item_id, customer_key, delivered_date_key, item_name, delivered_ts from dwh.fact_partner_order
)

select
    coalesce(wanted.order_id, found.order_id)::varchar
    || '/'
    || coalesce(wanted.item_id, found.item_id)::varchar as place,
    wanted::varchar as wanted,
    found::varchar as found
from wanted
full join found on wanted.order_id = found.order_id and wanted.item_id = found.item_id
where wanted is distinct from found
order by place
