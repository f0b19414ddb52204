-- kind: select
-- grain: one row per month, risk score and status that orders leave or come to
-- reads: counted_order, dwh.dim_customer, dwh.fact_order, mart.customer_before
-- rerun: gives the same rows
-- Sums the orders of customers who have another risk score than when the aggregates were last kept, but for those in
-- counted_order: they leave the score of then and come to the one of now. Their lines are not asked for.
with

moved as (
    select
        customer.customer_key,
        sign.sign,
        coalesce(case when sign.sign = 1 then customer.risk_score else before.risk_score end, 0) as risk_score
    from mart.customer_before as before
    inner join dwh.dim_customer as customer on before.customer_key = customer.customer_key
    cross join (values (1), (-1)) as sign (sign)
)

select
    date_trunc('month', fact.ordered_ts at time zone 'UTC')::date as month,
    moved.risk_score,
    fact.order_status_key,
    sum(moved.sign) as orders,
    sum(moved.sign * fact.order_amount) as sales
from moved
inner join dwh.fact_order as fact on moved.customer_key = fact.customer_key
left join counted_order on fact.order_id = counted_order.order_id
where counted_order.order_id is null and not fact.is_deleted
group by date_trunc('month', fact.ordered_ts at time zone 'UTC')::date, moved.risk_score, fact.order_status_key
