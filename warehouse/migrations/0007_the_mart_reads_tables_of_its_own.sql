-- The views of the mart read no table of dwh any more. What they read instead is filled here. What LoadMart keeps of it
-- is counted again, as rows may have been written since it last ran. A warehouse of the first version lacks tables.
create schema if not exists mart;
create table mart.product_label (product_id bigint primary key, label text not null);
insert into mart.product_label (product_id, label)
select distinct on (product_id)
    product_id,
    name
from dwh.dim_product
where is_current
order by product_id asc, valid_from desc;
create table mart.order_status (order_status_key bigint primary key, is_lost boolean not null);
insert into mart.order_status (order_status_key, is_lost)
select
    order_status_key,
    is_lost
from dwh.dim_order_status;
create table mart.agg_review_month (
    month date primary key,
    reviews bigint not null,
    positive_reviews bigint not null
);
create table mart.agg_behavior_day (
    purchase_date date not null,
    positive_share_band text not null,
    customer_days bigint not null,
    amount_spent numeric not null,
    reviews bigint not null,
    positive_reviews bigint not null,
    primary key (purchase_date, positive_share_band)
);
create table mart.agg_customer_month (month date primary key, customers bigint not null);
create table mart.agg_risk_month (
    month date not null,
    risk_score integer not null,
    order_status_key bigint not null,
    orders bigint not null,
    sales numeric not null,
    primary key (month, risk_score, order_status_key)
);
create table mart.agg_risk_customer (risk_score integer primary key, customers bigint not null);
do $$
begin
    if to_regclass('dwh.fact_review') is not null then
        insert into mart.agg_review_month
        select date_trunc('month', review_date)::date, count(*), count(*) filter (where positive_review)
        from dwh.fact_review
        group by 1;
    end if;
    if to_regclass('dwh.user_behavior_metric') is not null then
        insert into mart.agg_behavior_day
        select
            insert_date,
            case
                when review_score = 0 then '0 %'
                when review_score = review_count then '100 %'
                when review_score * 3 <= review_count then '1-33 %'
                when review_score * 3 <= review_count * 2 then '34-66 %'
                else '67-99 %'
            end as band,
            count(*), sum(amount_spent), sum(review_count), sum(review_score)
        from dwh.user_behavior_metric
        group by insert_date, band;
    end if;
    if to_regclass('mart.refill') is null then -- a warehouse of then counts everything anyway
        return;
    end if;
    insert into mart.refill (reason) values ('the mart counts customers by month and risk score');
    insert into mart.agg_customer_month
    select date_trunc('month', ordered_ts at time zone 'UTC')::date as month, count(distinct customer_key)
    from dwh.fact_order
    where customer_key <> -1 and not is_deleted
    group by month;
    insert into mart.agg_risk_month
    select
        date_trunc('month', placed.ordered_ts at time zone 'UTC')::date as month,
        coalesce(customer.risk_score, 0) as score,
        placed.order_status_key, count(*), sum(placed.order_amount)
    from dwh.fact_order as placed
    inner join dwh.dim_customer as customer on placed.customer_key = customer.customer_key
    where placed.customer_key <> -1 and not placed.is_deleted
    group by month, score, placed.order_status_key;
    insert into mart.agg_risk_customer
    select coalesce(risk_score, 0) as score, count(*)
    from dwh.dim_customer
    where customer_key <> -1
    group by score;
end
$$;
drop trigger if exists note_version on dwh.dim_product;
drop trigger if exists note_version on dwh.dim_customer;
drop trigger if exists note_version on dwh.dim_order_status;
drop trigger if exists note_version on dwh.fact_order;
drop trigger if exists note_version on dwh.fact_review;
drop trigger if exists note_version on dwh.user_behavior_metric;
