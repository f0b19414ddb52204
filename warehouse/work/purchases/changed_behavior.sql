-- kind: select
-- grain: one row per customer and day whose behaviour is measured in this load
-- reads: dwh.user_behavior_metric, replaced_day, stage.movie_review, stage.user_purchase
-- rerun: gives the same rows, until dwh.user_behavior_metric is written
-- Takes the days in replaced_day, and days on which a customer bought whose review from before then changed (stage
-- batch after :movie_review_after).
with

replaced as (
    select
        stage.customer_id as customerid,
        replaced_day.day as insert_date
    from replaced_day
    inner join stage.user_purchase as stage
        on replaced_day.day <= stage.invoice_date and stage.invoice_date < replaced_day.day + 1
    where stage.customer_id is not null
    union
    -- Customers who bought more than min_quantity when the day was last loaded, and do not now.
    select
        metric.customerid,
        metric.insert_date
    from dwh.user_behavior_metric as metric
    inner join replaced_day on metric.insert_date = replaced_day.day
),

reviewed as (
    select
        cid,
        min(review_date) as since
    from stage.movie_review
    where etl_batch > :movie_review_after
    group by cid
)

select
    customerid,
    insert_date
from replaced
union
select
    purchase.customer_id as customerid,
    purchase.invoice_date::date as insert_date
from reviewed
inner join stage.user_purchase as purchase
    on reviewed.cid = purchase.customer_id and reviewed.since <= purchase.invoice_date
