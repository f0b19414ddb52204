-- mart.risk_band has the customers and the sales of each third of the scores
with

wanted as (select risk_band, customers, orders, lost_orders, sales from (select band as risk_band, sum(customers)::bigint as customers, sum(orders)::bigint as orders, sum(lost)::bigint as lost_orders, sum(sales)::decimal(28, 6) as sales from (select case when coalesce(risk_score, 0) = 0 then '4 unknown' when risk_score < 34 then '1 low (1-33)' when risk_score < 67 then '2 medium (34-66)' else '3 high (67-100)' end as band, 1 as customers, orders, lost, sales from dwh.dim_customer left join (select customer_key, count(*) as orders, count(*) filter (where is_lost) as lost, sum(order_amount) filter (where not is_lost) as sales from want.sale group by all) using (customer_key) where customer_key <> -1) group by band)),

found as (select risk_band, customers, orders, lost_orders, sales from (select risk_band, customers, orders, lost_orders, sales::decimal(28, 6) as sales from mart.risk_band))

select
    coalesce(wanted.risk_band, found.risk_band)::varchar as place,
    wanted::varchar as wanted,
    found::varchar as found
from wanted
full join found on wanted.risk_band = found.risk_band
where wanted is distinct from found
order by place
