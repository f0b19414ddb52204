-- reviews of dwh.fact_review are those of stage, with their customer
with

wanted as (
    select review_id, customer_key, review_date_key, review_date, positive_review, classifier, positive_probability
    from want.fact_review
),

found as (
    select review_id, customer_key, review_date_key, review_date, positive_review, classifier, positive_probability
    from dwh.fact_review
)

select
    coalesce(wanted.review_id, found.review_id)::varchar as place,
    wanted::varchar as wanted,
    found::varchar as found
from wanted
full join found on wanted.review_id = found.review_id
where wanted is distinct from found
order by place
