-- kind: select
-- grain: one row per customer and sign, of the customers who count otherwise than when the aggregates were last kept
-- reads: dwh.dim_customer, mart.customer_before
-- rerun: gives the same rows
-- Gives their risk scores now with sign 1, and then with sign -1.
select
    1 as sign,
    customer.risk_score
from mart.customer_before as before
inner join dwh.dim_customer as customer on before.customer_id = customer.customer_id
union all
select
    -1 as sign,
    risk_score
from mart.customer_before
where customer_key is not null
