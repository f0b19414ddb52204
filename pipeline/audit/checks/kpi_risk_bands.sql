-- mart.risk_band has the customers and the sales of each third of the scores
with

bought as (
    select
        customer_key,
        count(*) as orders,
        count(*) filter (where is_lost) as lost_orders,
        coalesce(sum(order_amount) filter (where not is_lost), 0) as sales
    from want.sale
    group by customer_key
),

customers as (
    select
        case
            when coalesce(customer.risk_score, 0) = 0 then '4 unknown'
            when customer.risk_score < 34 then '1 low (1-33)'
            when customer.risk_score < 67 then '2 medium (34-66)'
            else '3 high (67-100)'
        end as risk_band,
        coalesce(bought.orders, 0) as orders,
        coalesce(bought.lost_orders, 0) as lost_orders,
        coalesce(bought.sales, 0) as sales
    from dwh.dim_customer as customer
    left join bought on customer.customer_key = bought.customer_key
    where customer.customer_key <> -1
),

wanted as (
    select
        risk_band,
        count(*) as customers,
        sum(orders)::bigint as orders,
        sum(lost_orders)::bigint as lost_orders,
        sum(sales)::decimal(28, 6) as sales
    from customers
    group by risk_band
),

found as (select risk_band, customers, orders, lost_orders, sales::decimal(28, 6) as sales from mart.risk_band)

select
    coalesce(wanted.risk_band, found.risk_band) as place,
    wanted::varchar as wanted,
    found::varchar as found
from wanted
full join found on wanted.risk_band = found.risk_band
where wanted is distinct from found
order by place
