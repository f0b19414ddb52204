-- kind: select
-- grain: one row per day in changed and share of positive reviews
-- reads: changed, dwh.user_behavior_metric
-- rerun: gives the same rows
-- Sums what customers with reviews spent on these days.
with

days as (select distinct insert_date from changed)

select
    metric.insert_date as purchase_date,
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
from days
inner join dwh.user_behavior_metric as metric on days.insert_date = metric.insert_date
group by metric.insert_date, positive_share_band
