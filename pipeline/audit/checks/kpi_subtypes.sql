-- mart.sales_by_subtype has the sales by subtype
with

wanted as (
    select month, country, label, sales, orders
    from
        (
            select
                month,
                country,
                product_subtype as label,
                sum(line_amount)::decimal(28, 6) as sales,
                count(distinct order_id) as orders
            from want.sold
            where not is_lost
            group by all
        )
),

found as (
    select month, country, label, sales, orders
    from (select * replace (sales::decimal(28, 6) as sales) from mart.sales_by_subtype)
)

select
    coalesce(wanted.month, found.month)::varchar
    || '/'
    || coalesce(wanted.country, found.country)::varchar
    || '/'
    || coalesce(wanted.label, found.label)::varchar as place,
    wanted::varchar as wanted,
    found::varchar as found
from wanted
full join found on wanted.month = found.month and wanted.country = found.country and wanted.label = found.label
where wanted is distinct from found
order by place
