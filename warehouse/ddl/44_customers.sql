-- How customers behave: what they spend, what they think of it, and how much of a risk they are. No row is a person.
create view mart.customer_behavior as
select
    metric.insert_date as purchase_date,
    date_trunc('month', metric.insert_date)::date as month,
    case
        when metric.review_score = 0 then '0 %'
        when metric.review_score = metric.review_count then '100 %'
        when metric.review_score * 3 <= metric.review_count then '1-33 %'
        when metric.review_score * 3 <= metric.review_count * 2 then '34-66 %'
        else '67-99 %'
    end as positive_share_band,
    count(*) as customer_days,
    sum(metric.amount_spent) as amount_spent,
    sum(metric.review_count) as reviews,
    sum(metric.review_score) as positive_reviews
from dwh.user_behavior_metric as metric
group by metric.insert_date, positive_share_band;

comment on view mart.customer_behavior is
'What customers with reviews spend, by day of purchase and by how many of their reviews are positive.';
comment on column mart.customer_behavior.purchase_date is 'The day of the purchases.';
comment on column mart.customer_behavior.month is 'First day of its month.';
comment on column mart.customer_behavior.positive_share_band is
'Share of the customer''s reviews, received by that day, that are positive.';
comment on column mart.customer_behavior.customer_days is 'Customers who bought on the day.';
comment on column mart.customer_behavior.amount_spent is 'What they spent on the day.';
comment on column mart.customer_behavior.reviews is 'Their reviews by then.';
comment on column mart.customer_behavior.positive_reviews is 'The positive ones.';

create view mart.review_volume as
select
    date_trunc('month', review_date)::date as month,
    count(*) as reviews,
    count(*) filter (where positive_review) as positive_reviews
from dwh.fact_review
group by month;

comment on view mart.review_volume is 'Reviews by the month in which they were received.';
comment on column mart.review_volume.month is 'First day of the month.';
comment on column mart.review_volume.reviews is 'Reviews received.';
comment on column mart.review_volume.positive_reviews is 'Those that the classifier calls positive.';

create view mart.risk_band as
with

-- Not materialized: the facts are then read in parallel.
customers as not materialized (
    select
        customer_key,
        case
            when risk_score <= 33 then '1 low (1-33)'
            when risk_score <= 66 then '2 medium (34-66)'
            when risk_score <= 100 then '3 high (67-100)'
            else '4 unknown'
        end as risk_band
    from dwh.dim_customer
    where customer_key <> -1
),

sold as (
    select
        customers.risk_band,
        count(*) as orders,
        sum(fact_order.order_amount) as sales
    from dwh.fact_order
    inner join customers on fact_order.customer_key = customers.customer_key
    inner join dwh.dim_order_status as status on fact_order.order_status_key = status.order_status_key
    where not status.is_lost and not fact_order.is_deleted
    group by customers.risk_band
)

select
    customers.risk_band,
    count(*) as customers,
    coalesce(max(sold.orders), 0) as orders,
    coalesce(max(sold.sales), 0) as sales
from customers
left join sold on customers.risk_band = sold.risk_band
group by customers.risk_band;

comment on view mart.risk_band is 'Customers and what they bought, by how risky the risk-score service finds them.';
comment on column mart.risk_band.risk_band is 'Thirds of the score, 1 to 100; unknown where there is none.';
comment on column mart.risk_band.customers is 'Customers of the band, with or without an order.';
comment on column mart.risk_band.orders is 'Their orders that are not lost.';
comment on column mart.risk_band.sales is 'Line amounts of these orders.';
