-- What people and dashboards read.
create schema if not exists mart;

-- The additive part of the KPIs, kept by the load of fact_order with the difference that each load makes, so that
-- a day costs what changed. The status stays a key: an order status that becomes lost changes the KPIs at once.
create table if not exists mart.order_month (
    month date not null,
    order_status_key bigint not null,
    orders bigint not null,
    order_amount numeric not null,
    delivered_orders bigint not null,
    fulfilment interval not null,
    primary key (month, order_status_key)
);
comment on table mart.order_month is 'Orders, amounts and time to delivery per UTC month of ordering and order status.';

create or replace view mart.kpi_monthly as
with

order_month as (select * from mart.order_month),

order_status as (select order_status_key, is_lost from dwh.dim_order_status),

measures as (
    select
        order_month.month,
        sum(order_month.orders) as orders,
        coalesce(sum(order_month.orders) filter (where order_status.is_lost), 0) as lost_orders,
        coalesce(sum(order_month.order_amount) filter (where not order_status.is_lost), 0) as sales,
        sum(order_month.delivered_orders) filter (where not order_status.is_lost) as delivered_orders,
        sum(order_month.fulfilment) filter (where not order_status.is_lost) as fulfilment
    from order_month
    inner join order_status on order_month.order_status_key = order_status.order_status_key
    group by order_month.month
    having sum(order_month.orders) > 0
)

select
    month,
    sales,
    orders::bigint as orders,
    sales / nullif(orders - lost_orders, 0) as average_order_value,
    lost_orders / orders as lost_order_rate,
    lost_orders / orders - :lost_order_limit as lost_order_deviation,
    extract(epoch from fulfilment) / 86400 / nullif(delivered_orders, 0) as average_fulfilment_days,
    (
        select count(distinct fact_order.customer_key)
        from dwh.fact_order
        where
            fact_order.ordered_ts >= measures.month::timestamp at time zone 'UTC'
            and fact_order.ordered_ts < (measures.month + interval '1 month') at time zone 'UTC'
            and fact_order.customer_key <> -1
    ) as unique_customers
from measures;

comment on view mart.kpi_monthly is 'The KPIs of each UTC month in which an order was placed.';
comment on column mart.kpi_monthly.month is 'First day of the month.';
comment on column mart.kpi_monthly.sales is 'Line amounts of the orders that are not lost.';
comment on column mart.kpi_monthly.orders is 'All orders, lost ones too.';
comment on column mart.kpi_monthly.average_order_value is 'Sales per order that is not lost.';
comment on column mart.kpi_monthly.lost_order_rate is 'Lost orders per order, 0 to 1.';
comment on column mart.kpi_monthly.lost_order_deviation is 'Lost order rate less the limit set in luigi.cfg.';
comment on column mart.kpi_monthly.average_fulfilment_days is
'Days from order to delivery, over orders delivered and not lost.';
comment on column mart.kpi_monthly.unique_customers is 'Known customers who placed an order, lost or not.';
