-- What people and dashboards read: views, made again at each run of these files as they hold nothing, on aggregates
-- that LoadMart keeps.
create schema if not exists mart;

drop view if exists
mart.kpi_monthly, mart.kpi_monthly_country, mart.kpi_quarterly, mart.kpi_quarterly_country,
mart.sales_by_product, mart.sales_by_subtype, mart.sales_by_country,
mart.load_day, mart.step_day, mart.layer_rows, mart.task_run, mart.queue_depth, mart.rejected_rows,
mart.watermark_lag, mart.customer_behavior, mart.review_volume, mart.risk_band;

-- Of an earlier version.
drop table if exists mart.order_month;

-- The aggregates: additive, without what is deleted, and kept by difference, so that a day costs what changed. Months
-- and quarters are UTC.
create table if not exists mart.agg_order_month (
    month date not null,
    country text not null,
    orders bigint not null,
    lost_orders bigint not null,
    sales numeric not null,
    delivered_orders bigint not null,
    fulfilment interval not null,
    primary key (month, country)
);
comment on table mart.agg_order_month is
'Orders by month of ordering and country of delivery; sales, deliveries and their time are of orders not lost.';

create table if not exists mart.agg_product_month (
    month date not null,
    country text not null,
    product_id bigint not null,
    sales numeric not null,
    orders bigint not null,
    primary key (month, country, product_id)
);
comment on table mart.agg_product_month is 'Line amounts of orders not lost, and how many of these hold the product.';

create table if not exists mart.agg_subtype_month (
    month date not null,
    country text not null,
    product_subtype text not null,
    sales numeric not null,
    orders bigint not null,
    primary key (month, country, product_subtype)
);
comment on table mart.agg_subtype_month is 'Line amounts of orders not lost, and how many of these hold the subtype.';

create table if not exists mart.agg_customer_quarter (
    quarter date not null,
    country text not null,
    customers bigint not null,
    primary key (quarter, country)
);
comment on table mart.agg_customer_quarter is
'Known customers who placed an order in the quarter; the country ''everywhere'' counts each of them once.';

-- What the aggregates have counted of facts that were written since: the rows as they stood when LoadMart last ran.
-- The loads of the facts put them here. NULLs: there was no such row.
create table if not exists mart.order_before (
    order_id bigint primary key,
    customer_key bigint,
    address_key bigint,
    order_status_key bigint,
    ordered_ts timestamptz,
    delivered_ts timestamptz,
    order_amount numeric,
    is_deleted boolean
);
alter table mart.order_before add column if not exists is_deleted boolean;
comment on table mart.order_before is 'Orders written since the aggregates were last kept, as they stood then.';

create table if not exists mart.line_before (
    order_id bigint not null,
    line_number integer not null,
    product_key bigint,
    line_amount numeric,
    is_deleted boolean,
    primary key (order_id, line_number)
);
alter table mart.line_before add column if not exists is_deleted boolean;
comment on table mart.line_before is 'Order lines written since the aggregates were last kept, as they stood then.';

create table if not exists mart.refill (
    reason text not null,
    asked_ts timestamptz not null default now()
);
comment on table mart.refill is 'Why LoadMart has to count the aggregates anew from all facts; emptied when it did.';
insert into mart.refill (reason)
select 'there are no aggregates yet' where not exists (select from mart.agg_order_month);
