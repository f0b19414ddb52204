-- How customers behave: what they spend, what they think of it, and how much of a risk they are. No row is a person.
create view mart.customer_behavior as
select
    purchase_date,
    date_trunc('month', purchase_date)::date as month,
    positive_share_band,
    customer_days,
    amount_spent,
    reviews,
    positive_reviews
from mart.agg_behavior_day;

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
    month,
    reviews,
    positive_reviews
from mart.agg_review_month
where reviews > 0;

comment on view mart.review_volume is 'Reviews by the month in which they were received.';
comment on column mart.review_volume.month is 'First day of the month.';
comment on column mart.review_volume.reviews is 'Reviews received.';
comment on column mart.review_volume.positive_reviews is 'Those that the classifier calls positive.';

create view mart.risk_band as
with

scores as (
    select
        risk_score,
        customers,
        0 as orders,
        0 as lost_orders,
        0 as sales
    from mart.agg_risk_customer
    union all
    select
        sold.risk_score,
        0 as customers,
        sold.orders,
        case when status.is_lost then sold.orders else 0 end as lost_orders,
        case when status.is_lost then 0 else sold.sales end as sales
    from mart.agg_risk_month as sold
    inner join mart.order_status as status on sold.order_status_key = status.order_status_key
)

select
    case
        when risk_score = 0 then '4 unknown'
        when risk_score <= 33 then '1 low (1-33)'
        when risk_score <= 66 then '2 medium (34-66)'
        else '3 high (67-100)'
    end as risk_band,
    sum(customers)::bigint as customers,
    sum(orders)::bigint as orders,
    sum(lost_orders)::bigint as lost_orders,
    sum(orders - lost_orders)::bigint as orders_not_lost,
    sum(sales) as sales
from scores
group by 1
having sum(customers) > 0;

comment on view mart.risk_band is 'Customers and what they bought, by how risky the risk-score service finds them.';
comment on column mart.risk_band.risk_band is 'Thirds of the score, 1 to 100; unknown where there is none.';
comment on column mart.risk_band.customers is 'Customers of the band, with or without an order.';
comment on column mart.risk_band.orders is 'All their orders, lost ones too.';
comment on column mart.risk_band.lost_orders is 'Their orders in a status that counts as lost.';
comment on column mart.risk_band.orders_not_lost is 'Their orders less the lost ones.';
comment on column mart.risk_band.sales is 'Line amounts of the orders that are not lost.';
