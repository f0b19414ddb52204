-- kind: select
-- grain: one row per month, risk score and status
-- reads: counted_order
-- rerun: gives the same rows
-- Sums what the orders of known customers add, or take away, as their sign says.
select
    month,
    risk_score,
    order_status_key,
    sum(sign) as orders,
    sum(sign * order_amount) as sales
from counted_order
where customer_key <> -1
group by month, risk_score, order_status_key
