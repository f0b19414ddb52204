-- mart.agg_review_month counts the reviews
with

wanted as (
    select month, reviews, positive_reviews
    from
        (
            select
                date_trunc('month', review_date)::date as month,
                count(*) as reviews,
                count(*) filter (where positive_review) as positive_reviews
            from want.fact_review
            group by all
        )
),

found as (select month, reviews, positive_reviews from (select * from mart.agg_review_month where reviews <> 0))

select
    coalesce(wanted.month, found.month)::varchar as place,
    wanted::varchar as wanted,
    found::varchar as found
from wanted
full join found on wanted.month = found.month
where wanted is distinct from found
order by place
