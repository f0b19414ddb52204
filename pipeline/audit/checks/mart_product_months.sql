-- mart.agg_product_month has the sums of the lines, and each order once
with

wanted as (
    select month, country, product_id, order_status_key, sales, orders
    from
        (
            select
                month,
                country,
                product_id,
                order_status_key,
                sum(line_amount)::decimal(28, 6) as sales,
                count(distinct order_id) as orders
            from want.sold
            group by all
        )
),

found as (
    select month, country, product_id, order_status_key, sales, orders
    from (select * from mart.agg_product_month where orders <> 0)
)

select
    coalesce(wanted.month, found.month)::varchar
    || '/'
    || coalesce(wanted.country, found.country)::varchar
    || '/'
    || coalesce(wanted.product_id, found.product_id)::varchar
    || '/'
    || coalesce(wanted.order_status_key, found.order_status_key)::varchar as place,
    wanted::varchar as wanted,
    found::varchar as found
from wanted
full join
    found
    on
        wanted.month = found.month
        and wanted.country = found.country
        and wanted.product_id = found.product_id
        and wanted.order_status_key = found.order_status_key
where wanted is distinct from found
order by place
