-- Sales by what was sold and where it went. Sales and orders add up over months and countries, not over labels: an
-- order may hold several products.
create view mart.sales_by_product with (security_barrier) as
with

agg_product_month as (
    select *
    from mart.agg_product_month
    where (select analyst.sees_every_country())
    union all
    (
        select *
        from mart.agg_product_month
        where not (select analyst.sees_every_country()) and country = any((select analyst.countries())::text[])
        offset 0 -- noqa: AM09
    )
),

sums as (
    select
        agg_product_month.month,
        agg_product_month.country,
        agg_product_month.product_id,
        sum(agg_product_month.sales) as sales,
        sum(agg_product_month.orders)::bigint as orders
    from agg_product_month
    inner join mart.order_status as status on agg_product_month.order_status_key = status.order_status_key
    where agg_product_month.orders > 0 and not status.is_lost
    group by agg_product_month.month, agg_product_month.country, agg_product_month.product_id
)

select
    sums.month,
    sums.country,
    product.label,
    sums.sales,
    sums.orders
from sums
inner join mart.product_label as product on sums.product_id = product.product_id;

comment on view mart.sales_by_product is 'Sales of each product by month and country.';
comment on column mart.sales_by_product.month is 'First day of the UTC month of ordering.';
comment on column mart.sales_by_product.country is 'Where the order is delivered to.';
comment on column mart.sales_by_product.label is 'Name of the product, as it is called now.';
comment on column mart.sales_by_product.sales is 'Line amounts of the orders that are not lost.';
comment on column mart.sales_by_product.orders is 'Orders not lost that hold the product.';

create view mart.sales_by_subtype with (security_barrier) as
with

agg_subtype_month as (
    select *
    from mart.agg_subtype_month
    where (select analyst.sees_every_country())
    union all
    (
        select *
        from mart.agg_subtype_month
        where not (select analyst.sees_every_country()) and country = any((select analyst.countries())::text[])
        offset 0 -- noqa: AM09
    )
)

select
    agg_subtype_month.month,
    agg_subtype_month.country,
    agg_subtype_month.product_subtype as label,
    sum(agg_subtype_month.sales) as sales,
    sum(agg_subtype_month.orders)::bigint as orders
from agg_subtype_month
inner join mart.order_status as status on agg_subtype_month.order_status_key = status.order_status_key
where agg_subtype_month.orders > 0 and not status.is_lost
group by agg_subtype_month.month, agg_subtype_month.country, agg_subtype_month.product_subtype;

comment on view mart.sales_by_subtype is 'Sales of each product subtype by month and country.';
comment on column mart.sales_by_subtype.month is 'First day of the UTC month of ordering.';
comment on column mart.sales_by_subtype.country is 'Where the order is delivered to.';
comment on column mart.sales_by_subtype.label is 'Product subtype.';
comment on column mart.sales_by_subtype.sales is 'Line amounts of the orders that are not lost.';
comment on column mart.sales_by_subtype.orders is 'Orders not lost that hold a product of the subtype.';

create view mart.sales_by_country with (security_barrier) as
with

kpi_monthly_country as (select * from mart.kpi_monthly_country)

select
    now.month,
    now.country,
    now.country as label,
    now.sales,
    now.orders_not_lost as orders,
    case when now.is_complete and before.sales is not null then now.sales end as comparable_sales,
    case when now.is_complete then before.sales end as year_before_sales
from kpi_monthly_country as now
left join kpi_monthly_country as before
    on now.country = before.country and now.month = (before.month + interval '1 year')::date;

comment on view mart.sales_by_country is 'Sales of each country by month.';
comment on column mart.sales_by_country.month is 'First day of the UTC month of ordering.';
comment on column mart.sales_by_country.country is 'Where the order is delivered to.';
comment on column mart.sales_by_country.label is 'The country again, as in the other tables of sales.';
comment on column mart.sales_by_country.sales is 'Line amounts of the orders that are not lost.';
comment on column mart.sales_by_country.orders is 'Orders not lost.';
comment on column mart.sales_by_country.comparable_sales is
'The sales again, of a complete month that has sales in the same month of the year before; else NULL.';
comment on column mart.sales_by_country.year_before_sales is
'Sales of the same month of the year before, of a complete month; NULL where there are none.';
