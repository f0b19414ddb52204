-- What people and dashboards read: views, made again at each run of these files as they hold nothing, on aggregates
-- that LoadMart keeps.
create schema if not exists mart;

drop view if exists
mart.kpi_monthly, mart.kpi_monthly_country, mart.kpi_quarterly, mart.kpi_quarterly_country,
mart.sales_by_product, mart.sales_by_subtype, mart.sales_by_country,
mart.load_day, mart.step_day, mart.layer_rows, mart.task_run, mart.queue_depth, mart.rejected_rows,
mart.watermark_lag, mart.customer_behavior, mart.review_volume, mart.risk_band,
mart.sales_by_day, mart.sales_outlook, mart.forecast_error, mart.forecast_state, mart.orders_loaded;

-- The aggregates: additive, without what is deleted, and kept by difference, so that a day costs what changed. Months
-- and quarters are UTC. They hold the status of orders; the views look up whether it is lost. So a status that becomes
-- lost, which may be that of most orders, moves none of them.
create table if not exists mart.agg_order_month (
    month date not null,
    country text not null,
    orders bigint not null,
    sales numeric not null,
    delivered_orders bigint not null,
    fulfilment bigint not null,
    order_status_key bigint not null,
    primary key (month, country, order_status_key)
);
comment on table mart.agg_order_month is
'Orders by month of ordering, country of delivery and status, those that count as lost too.';
comment on column mart.agg_order_month.month is 'First day of the month.';
comment on column mart.agg_order_month.country is 'Where the order is delivered to.';
comment on column mart.agg_order_month.order_status_key is 'Status of the order.';
comment on column mart.agg_order_month.orders is 'Orders.';
comment on column mart.agg_order_month.sales is 'Their line amounts.';
comment on column mart.agg_order_month.delivered_orders is 'Orders that were delivered.';
comment on column mart.agg_order_month.fulfilment is 'Microseconds from order to delivery, added up over these.';

create table if not exists mart.agg_order_day (
    day date not null,
    month date not null,
    country text not null,
    orders bigint not null,
    sales numeric not null,
    order_status_key bigint not null,
    primary key (day, month, country, order_status_key)
);
comment on table mart.agg_order_day is 'Orders by day of ordering, country of delivery and status: what is forecast.';
comment on column mart.agg_order_day.day is 'The day.';
comment on column mart.agg_order_day.month is 'First day of its month.';
comment on column mart.agg_order_day.country is 'Where the order is delivered to.';
comment on column mart.agg_order_day.order_status_key is 'Status of the order.';
comment on column mart.agg_order_day.orders is 'Orders.';
comment on column mart.agg_order_day.sales is 'Their line amounts.';

create table if not exists mart.agg_product_month (
    month date not null,
    country text not null,
    product_id bigint not null,
    sales numeric not null,
    orders bigint not null,
    order_status_key bigint not null,
    primary key (month, country, product_id, order_status_key)
);
comment on table mart.agg_product_month is 'Line amounts of orders by status, and how many of these hold the product.';
comment on column mart.agg_product_month.month is 'First day of the month.';
comment on column mart.agg_product_month.country is 'Where the order is delivered to.';
comment on column mart.agg_product_month.order_status_key is 'Status of the order.';
comment on column mart.agg_product_month.product_id is 'The source''s key of the product, whichever version was sold.';
comment on column mart.agg_product_month.sales is 'Line amounts.';
comment on column mart.agg_product_month.orders is 'Orders that hold the product.';

create table if not exists mart.agg_subtype_month (
    month date not null,
    country text not null,
    product_subtype text not null,
    sales numeric not null,
    orders bigint not null,
    order_status_key bigint not null,
    primary key (month, country, product_subtype, order_status_key)
);
comment on table mart.agg_subtype_month is 'Line amounts of orders by status, and how many of these hold the subtype.';
comment on column mart.agg_subtype_month.month is 'First day of the month.';
comment on column mart.agg_subtype_month.country is 'Where the order is delivered to.';
comment on column mart.agg_subtype_month.order_status_key is 'Status of the order.';
comment on column mart.agg_subtype_month.product_subtype is 'Product subtype.';
comment on column mart.agg_subtype_month.sales is 'Line amounts.';
comment on column mart.agg_subtype_month.orders is 'Orders that hold a product of the subtype.';

create table if not exists mart.agg_customer_quarter (
    quarter date not null,
    country text not null,
    customers bigint not null,
    primary key (quarter, country)
);
comment on table mart.agg_customer_quarter is
'Known customers who placed an order in the quarter; the country ''everywhere'' counts each of them once.';
comment on column mart.agg_customer_quarter.quarter is 'First day of the quarter.';
comment on column mart.agg_customer_quarter.country is 'Where the order is delivered to, or everywhere.';
comment on column mart.agg_customer_quarter.customers is 'Known customers who placed an order, lost or not.';

create table if not exists mart.agg_customer_month (
    month date primary key,
    customers bigint not null
);
comment on table mart.agg_customer_month is 'Known customers who placed an order in the month, each counted once.';
comment on column mart.agg_customer_month.month is 'First day of the month.';
comment on column mart.agg_customer_month.customers is 'Known customers who placed an order, lost or not.';

create table if not exists mart.agg_risk_month (
    month date not null,
    risk_score integer not null,
    order_status_key bigint not null,
    orders bigint not null,
    sales numeric not null,
    primary key (month, risk_score, order_status_key)
);
comment on table mart.agg_risk_month is 'Orders of known customers by month, status and the customer''s risk score.';
comment on column mart.agg_risk_month.month is 'First day of the month.';
comment on column mart.agg_risk_month.risk_score is '1 to 100; 0 where none is known.';
comment on column mart.agg_risk_month.order_status_key is 'Status of the order.';
comment on column mart.agg_risk_month.orders is 'Orders.';
comment on column mart.agg_risk_month.sales is 'Their line amounts.';

create table if not exists mart.agg_risk_customer (
    risk_score integer primary key,
    customers bigint not null
);
comment on table mart.agg_risk_customer is 'Known customers by their risk score.';
comment on column mart.agg_risk_customer.risk_score is '1 to 100; 0 where none is known.';
comment on column mart.agg_risk_customer.customers is 'Customers, with or without an order.';

-- These are kept by the load of the table that they count, in its own transaction: what a vendor delivers may come late
-- or not at all, and holds up nothing else.
create table if not exists mart.agg_review_month (
    month date primary key,
    reviews bigint not null,
    positive_reviews bigint not null
);
comment on table mart.agg_review_month is 'Reviews by the month in which they were received.';
comment on column mart.agg_review_month.month is 'First day of the month.';
comment on column mart.agg_review_month.reviews is 'Reviews received.';
comment on column mart.agg_review_month.positive_reviews is 'Those that the classifier calls positive.';

create table if not exists mart.agg_behavior_day (
    purchase_date date not null,
    positive_share_band text not null,
    customer_days bigint not null,
    amount_spent numeric not null,
    reviews bigint not null,
    positive_reviews bigint not null,
    primary key (purchase_date, positive_share_band)
);
comment on table mart.agg_behavior_day is
'Customers with reviews who bought on a day, by how positive their reviews are.';
comment on column mart.agg_behavior_day.purchase_date is 'The day of the purchases.';
comment on column mart.agg_behavior_day.positive_share_band is
'Share of the customer''s reviews, received by that day, that are positive.';
comment on column mart.agg_behavior_day.customer_days is 'Customers who bought on the day.';
comment on column mart.agg_behavior_day.amount_spent is 'What they spent on the day.';
comment on column mart.agg_behavior_day.reviews is 'Their reviews by then.';
comment on column mart.agg_behavior_day.positive_reviews is 'The positive ones.';

-- What the views look up of members. The loads of the dimensions keep it. The unknown members are there from the start.
create table if not exists mart.product_label (
    product_id bigint primary key,
    label text not null
);
comment on table mart.product_label is 'What products are called now.';
comment on column mart.product_label.product_id is 'The source''s key of the product.';
comment on column mart.product_label.label is 'Its name in its current version.';
insert into mart.product_label (product_id, label) values (-1, 'Unknown') on conflict do nothing;

create table if not exists mart.order_status (
    order_status_key bigint primary key,
    is_lost boolean not null
);
comment on table mart.order_status is 'Which statuses of orders count as lost.';
comment on column mart.order_status.order_status_key is 'The status, as in the aggregates.';
comment on column mart.order_status.is_lost is 'Whether an order of it counts as lost.';
insert into mart.order_status (order_status_key, is_lost) values (-1, false) on conflict do nothing;

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
comment on table mart.order_before is 'Orders written since the aggregates were last kept, as they stood then.';
comment on column mart.order_before.order_id is 'The order that was written.';
comment on column mart.order_before.customer_key is 'Its customer then.';
comment on column mart.order_before.address_key is 'Its address then.';
comment on column mart.order_before.order_status_key is 'Its status then.';
comment on column mart.order_before.ordered_ts is
'When it was placed, as was known then; NULL: there was no such order.';
comment on column mart.order_before.delivered_ts is 'When it was delivered, as was known then.';
comment on column mart.order_before.order_amount is 'Its amount then.';
comment on column mart.order_before.is_deleted is 'Whether it was deleted then.';

create table if not exists mart.line_before (
    order_id bigint not null,
    line_number integer not null,
    product_key bigint,
    line_amount numeric,
    is_deleted boolean,
    primary key (order_id, line_number)
);
comment on table mart.line_before is 'Order lines written since the aggregates were last kept, as they stood then.';
comment on column mart.line_before.order_id is 'The order of the line that was written.';
comment on column mart.line_before.line_number is 'Its number in the order.';
comment on column mart.line_before.product_key is 'Its version of the product then; NULL: there was no such line.';
comment on column mart.line_before.line_amount is 'Its amount then.';
comment on column mart.line_before.is_deleted is 'Whether it was deleted then.';

-- Likewise of dimensions: by what the facts of these members were counted. Their loads put it here.
create table if not exists mart.address_before (
    address_key bigint primary key,
    country text not null
);
comment on table mart.address_before is 'Addresses that got another country since the aggregates were last kept.';
comment on column mart.address_before.address_key is 'The address.';
comment on column mart.address_before.country is 'Its country then.';

create table if not exists mart.product_before (
    product_key bigint primary key,
    product_subtype text not null
);
comment on table mart.product_before is 'Versions of products that got another subtype since then.';
comment on column mart.product_before.product_key is 'The version of a product.';
comment on column mart.product_before.product_subtype is 'Its subtype then.';

-- A customer without a key is one who was not there. Facts of customers with one are counted by the score here.
create table if not exists mart.customer_before (
    customer_id bigint primary key,
    customer_key bigint,
    risk_score integer
);
comment on table mart.customer_before is 'Customers who are new or got another risk score since then.';
comment on column mart.customer_before.customer_id is 'The source''s key of the customer.';
comment on column mart.customer_before.customer_key is 'The customer; NULL: there was no such customer then.';
comment on column mart.customer_before.risk_score is 'The score then; NULL: none was known.';

create table if not exists mart.refill (
    reason text not null,
    asked_ts timestamptz not null default now()
);
comment on table mart.refill is 'Why LoadMart has to count the aggregates again from all facts; emptied when it did.';
comment on column mart.refill.reason is 'What happened.';
comment on column mart.refill.asked_ts is 'When.';
insert into mart.refill (reason)
select 'there are no sums of days yet' where not exists (select from mart.agg_order_day);

-- What was expected of each day. Forecasts are kept as they were made, to be compared with what came.
create table if not exists mart.forecast_run (
    run_day date primary key,
    begun_ts timestamptz not null,
    made_ts timestamptz,
    failure text
);
comment on table mart.forecast_run is 'The forecasts of sales and orders, one for each last day of the known past.';
comment on column mart.forecast_run.run_day is 'Last day that the forecast knows.';
comment on column mart.forecast_run.begun_ts is 'When its newest run began.';
comment on column mart.forecast_run.made_ts is 'When that ended; NULL: it is under way, or it failed.';
comment on column mart.forecast_run.failure is 'Why that failed; NULL: it did not.';

create table if not exists mart.sales_forecast (
    run_day date not null,
    measure text not null,
    country text not null,
    day date not null,
    expected numeric not null,
    low_80 numeric not null,
    high_80 numeric not null,
    low_95 numeric not null,
    high_95 numeric not null,
    primary key (run_day, measure, country, day)
);
comment on table mart.sales_forecast is 'Expected sales and orders of each of the 90 days after a forecast.';
comment on column mart.sales_forecast.run_day is 'Last day that the forecast knows.';
comment on column mart.sales_forecast.measure is 'sales or orders, as the KPIs define them.';
comment on column mart.sales_forecast.country is 'Where the orders are delivered to, or everywhere.';
comment on column mart.sales_forecast.day is 'The day.';
comment on column mart.sales_forecast.expected is 'What is expected of it.';
comment on column mart.sales_forecast.low_80 is 'Four days of five are between this and high_80.';
comment on column mart.sales_forecast.high_80 is 'Four days of five are between low_80 and this.';
comment on column mart.sales_forecast.low_95 is '19 days of 20 are between this and high_95.';
comment on column mart.sales_forecast.high_95 is '19 days of 20 are between low_95 and this.';

-- The values that each KPI of a month had, so that a changed figure can be traced to the load that changed it.
-- DailyWarehouseLoad adds those that differ from the newest known ones. A reader of one country must not see others,
-- and has no right to the table.
create table if not exists mart.kpi_run (
    month date not null,
    country text not null,
    kpi text not null,
    written_ts timestamptz not null,
    load_date date not null,
    value numeric,
    is_newest boolean not null,
    primary key (month, country, kpi, written_ts)
);
-- A load compares with the newest values alone, however many there were before.
create index if not exists kpi_run_newest on mart.kpi_run (month, country, kpi) where is_newest;
comment on table mart.kpi_run is
'What each KPI of a month was after the loads that changed it; a load that changes none adds no row.';
comment on column mart.kpi_run.month is 'First day of the month.';
comment on column mart.kpi_run.country is 'Where the orders are delivered to, or everywhere.';
comment on column mart.kpi_run.kpi is 'The KPI''s name in warehouse/kpis.toml.';
comment on column mart.kpi_run.written_ts is 'When the load wrote the row; all its rows have the same instant.';
comment on column mart.kpi_run.load_date is 'The date of the load.';
comment on column mart.kpi_run.value is 'The KPI, to six decimals; NULL: it cannot be computed any more.';
comment on column mart.kpi_run.is_newest is 'Whether no later load has changed it.';
