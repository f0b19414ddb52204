-- What facts, queue and sums must be, from the rows of stage and the members of the dimensions.
create schema want;

-- Ratios come with six decimals.
create macro is_near(a, b) as (a is null and b is null) or coalesce(abs(a::double - b::double) < 2e-6, false);

-- An order that is deleted keeps the amount that it had, with all its lines; of another one deleted lines do not count.
create table want.fact_order as
with

amounts as (
    select
        placed.order_id,
        count(line.order_id) filter (where counts) as line_count,
        coalesce(sum(line.quantity * line.unit_price) filter (where counts), 0) as order_amount
    from stage.orders as placed
    left join stage.order_lines as line on placed.order_id = line.order_id
    cross join lateral (select line.etl_deleted_ts is null or placed.etl_deleted_ts is not null as counts)
    group by placed.order_id
)

select
    placed.order_id,
    coalesce(customer.customer_key, -1) as customer_key,
    coalesce(address.address_key, -1) as address_key,
    coalesce(method.payment_method_key, -1) as payment_method_key,
    coalesce(status.order_status_key, -1) as order_status_key,
    coalesce(ordered.date_key, -1) as ordered_date_key,
    coalesce(delivered.date_key, -1) as delivered_date_key,
    placed.ordered_ts,
    placed.delivered_ts,
    amounts.line_count,
    amounts.order_amount::decimal(28, 6) as order_amount,
    placed.etl_deleted_ts is not null as is_deleted,
    placed.customer_id,
    placed.address_id,
    placed.payment_method_id,
    placed.order_status_id
from stage.orders as placed
inner join amounts on placed.order_id = amounts.order_id
left join dwh.dim_customer as customer on placed.customer_id = customer.customer_id
left join dwh.dim_address as address on placed.address_id = address.address_id
left join dwh.dim_payment_method as method on placed.payment_method_id = method.payment_method_id
left join dwh.dim_order_status as status on placed.order_status_id = status.order_status_id
left join dwh.dim_date as ordered on placed.ordered_ts::date = ordered.date
left join dwh.dim_date as delivered on placed.delivered_ts::date = delivered.date;

create table want.fact_order_line as
select
    line.order_id,
    line.line_number,
    coalesce(product.product_key, -1) as product_key,
    coalesce(supplier.supplier_key, -1) as supplier_key,
    coalesce(ordered.date_key, -1) as ordered_date_key,
    line.quantity,
    line.unit_price,
    (line.quantity * line.unit_price)::decimal(28, 6) as line_amount,
    line.etl_deleted_ts is not null or placed.etl_deleted_ts is not null as is_deleted,
    placed.order_id is not null as has_order,
    placed.ordered_ts,
    line.product_id,
    product.supplier_id
from stage.order_lines as line
left join stage.orders as placed on line.order_id = placed.order_id
left join dwh.dim_product as product
    on line.product_id = product.product_id
    and placed.ordered_ts >= product.valid_from and placed.ordered_ts < product.valid_to
left join dwh.dim_supplier as supplier on product.supplier_id = supplier.supplier_id
left join dwh.dim_date as ordered on placed.ordered_ts::date = ordered.date;

create table want.fact_review as
select
    review.review_id,
    coalesce(customer.customer_key, -1) as customer_key,
    coalesce(received.date_key, -1) as review_date_key,
    review.review_date,
    review.positive_review,
    review.classifier,
    review.positive_probability,
    review.cid
from stage.movie_review as review
left join dwh.dim_customer as customer on review.cid = customer.customer_id
left join dwh.dim_date as received on review.review_date = received.date
where not review.is_deleted;

create table want.fact_partner_order as
select
    item.order_id,
    item.item_id,
    coalesce(customer.customer_key, -1) as customer_key,
    coalesce(delivered.date_key, -1) as delivered_date_key,
    coalesce(item.item_name, 'Unknown') as item_name,
    item.delivered_on as delivered_ts,
    item.customer_id
from stage.partner_orders as item
left join dwh.dim_customer as customer on item.customer_id = customer.customer_id
left join dwh.dim_date as delivered on item.delivered_on::date = delivered.date;

-- A key that the source leaves empty waits for nobody.
create table want.queue as
with

waiting as (
    select
        'fact_order' as fact, order_id::varchar as row_key,
        unnest([
            {'of': 'dim_customer', 'id': customer_id::varchar, 'is': customer_key = -1},
            {'of': 'dim_address', 'id': address_id::varchar, 'is': address_key = -1},
            {'of': 'dim_payment_method', 'id': payment_method_id::varchar, 'is': payment_method_key = -1},
            {'of': 'dim_order_status', 'id': order_status_id::varchar, 'is': order_status_key = -1},
            {'of': 'dim_date', 'id': ordered_ts::varchar, 'is': ordered_date_key = -1},
            {'of': 'dim_date', 'id': delivered_ts::varchar, 'is': delivered_date_key = -1}
        ]) as member
    from want.fact_order
    union all
    select
        'fact_order_line', order_id || '/' || line_number,
        unnest([
            {'of': 'fact_order', 'id': order_id::varchar, 'is': not has_order and not is_deleted},
            {'of': 'dim_date', 'id': ordered_ts::varchar, 'is': has_order and ordered_date_key = -1},
            {'of': 'dim_product', 'id': product_id::varchar, 'is': has_order and product_key = -1},
            {'of': 'dim_supplier', 'id': supplier_id::varchar, 'is': product_key <> -1 and supplier_key = -1}
        ])
    from want.fact_order_line
    union all
    select
        'fact_review', review_id,
        unnest([
            {'of': 'dim_customer', 'id': cid::varchar, 'is': customer_key = -1},
            {'of': 'dim_date', 'id': review_date::varchar, 'is': review_date_key = -1}
        ])
    from want.fact_review
    union all
    select
        'fact_partner_order', '[' || to_json(order_id) || ', ' || to_json(item_id) || ']',
        unnest([
            {'of': 'dim_customer', 'id': customer_id::varchar, 'is': customer_key = -1},
            {'of': 'dim_date', 'id': delivered_ts::varchar, 'is': delivered_date_key = -1}
        ])
    from want.fact_partner_order
)

select distinct fact, row_key, member.of as dimension
from waiting
where member.is and member.id is not null;

-- What the sums are made of: orders and lines that are not deleted, by country and month, and whether they are lost.
create table want.sale as
select
    placed.order_id,
    placed.ordered_ts::date as day,
    date_trunc('month', placed.ordered_ts)::date as month,
    date_trunc('quarter', placed.ordered_ts)::date as quarter,
    address.country,
    placed.order_status_key,
    status.is_lost,
    placed.order_amount,
    date_diff('microsecond', placed.ordered_ts, placed.delivered_ts) as fulfilment,
    nullif(placed.customer_key, -1) as customer_key,
    coalesce(customer.risk_score, 0) as risk_score
from want.fact_order as placed
inner join dwh.dim_address as address on placed.address_key = address.address_key
inner join dwh.dim_order_status as status on placed.order_status_key = status.order_status_key
inner join dwh.dim_customer as customer on placed.customer_key = customer.customer_key
where not placed.is_deleted;

create table want.sold as
select
    sale.order_id,
    sale.month,
    sale.country,
    sale.order_status_key,
    sale.is_lost,
    product.product_id,
    product.product_subtype,
    line.line_amount
from want.fact_order_line as line
inner join want.sale as sale on line.order_id = sale.order_id
inner join dwh.dim_product as product on line.product_key = product.product_key
where not line.is_deleted;

create view want.kpi as
select
    month,
    country,
    count(*) as orders,
    count(*) filter (where is_lost) as lost_orders,
    coalesce(sum(order_amount) filter (where not is_lost), 0) as sales,
    count(fulfilment) filter (where not is_lost) as delivered_orders,
    coalesce(sum(fulfilment) filter (where not is_lost), 0) / 86400e6 as fulfilment_days
from want.sale
group by month, country;
