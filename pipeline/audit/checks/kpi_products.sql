-- mart.sales_by_product has the sales by the present names of the products
with

sold as (
    select
        month,
        country,
        product_id,
        sum(line_amount) as sales,
        count(distinct order_id) as orders
    from want.sold
    where not is_lost
    group by month, country, product_id
),

wanted as (
    select
        sold.month,
        sold.country,
        product.name as label,
        sum(sold.sales)::decimal(28, 6) as sales,
        sum(sold.orders)::bigint as orders
    from sold
    inner join dwh.dim_product as product on sold.product_id = product.product_id and product.is_current
    group by sold.month, sold.country, product.name
),

found as (
    select
        month,
        country,
        label,
        sum(sales)::decimal(28, 6) as sales,
        sum(orders)::bigint as orders
    from mart.sales_by_product
    group by month, country, label
)

select
    coalesce(wanted.month, found.month) || ' ' || coalesce(wanted.country, found.country) as place,
    wanted::varchar as wanted,
    found::varchar as found
from wanted
full join found on wanted.month = found.month and wanted.country = found.country and wanted.label = found.label
where wanted is distinct from found
order by place
