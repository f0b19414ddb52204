-- mart.sales_by_product has the sales by the names of the products
with

wanted as (select month, country, label, sales, orders from (select month, country, label, sum(sales)::decimal(28, 6) as sales, sum(orders)::bigint as orders from (select month, country, product_id, sum(line_amount) as sales, count(distinct order_id) as orders from want.sold where not is_lost group by all) inner join (select product_id, name as label from dwh.dim_product where is_current) using (product_id) group by all)),

found as (select month, country, label, sales, orders from (select month, country, label, sum(sales)::decimal(28, 6) as sales, sum(orders)::bigint as orders from mart.sales_by_product group by all))

select
    coalesce(wanted.month, found.month)::varchar || '/' || coalesce(wanted.country, found.country)::varchar || '/' || coalesce(wanted.label, found.label)::varchar as place,
    wanted::varchar as wanted,
    found::varchar as found
from wanted
full join found on wanted.month = found.month and wanted.country = found.country and wanted.label = found.label
where wanted is distinct from found
order by place
