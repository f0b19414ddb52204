-- mart.agg_risk_customer counts the customers of each score
with

wanted as (
    select risk_score, customers
    from
        (
            select coalesce(risk_score, 0) as risk_score, count(*) as customers
            from dwh.dim_customer
            where customer_key <> -1
            group by all
        )
),

found as (select risk_score, customers from (select * from mart.agg_risk_customer where customers <> 0))

select
    coalesce(wanted.risk_score, found.risk_score)::varchar as place,
    wanted::varchar as wanted,
    found::varchar as found
from wanted
full join found on wanted.risk_score = found.risk_score
where wanted is distinct from found
order by place
