-- kind: select
-- grain: one row per customer that changed, itself or in its risk score
-- reads: stage.customers, stage.risk_score
-- rerun: gives the same rows
-- Takes stage.customers after batch :customers_after and stage.risk_score after batch :risk_score_after.
with

rescored as (
    select customer_id from stage.risk_score
    where etl_batch > :risk_score_after
),

customers as (
    select * from stage.customers
    where etl_batch > :customers_after
    union all
    select * from stage.customers
    where etl_batch <= :customers_after and customer_id in (select customer_id from rescored)
)

select
    customers.customer_id,
    customers.first_name,
    customers.last_name,
    coalesce(customers.email, 'Unknown') as email,
    coalesce(customers.phone, 'Unknown') as phone,
    customers.birth_date,
    customers.registered_on,
    risk_score.risk_score,
    customers.etl_deleted_ts is not null as is_deleted
from customers
left join stage.risk_score on customers.customer_id = risk_score.customer_id
