-- mart.product_label has the present names of the products
with

wanted as (select product_id, label from (select product_id, name as label from dwh.dim_product where is_current)),

found as (select product_id, label from mart.product_label)

select
    coalesce(wanted.product_id, found.product_id)::varchar as place,
    wanted::varchar as wanted,
    found::varchar as found
from wanted
full join found on wanted.product_id = found.product_id
where wanted is distinct from found
order by place
