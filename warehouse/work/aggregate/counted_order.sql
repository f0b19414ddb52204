-- kind: select
-- grain: one row per order and sign
-- reads: :orders, dwh.dim_address, dwh.dim_customer, mart.address_before, mart.customer_before
-- rerun: gives the same rows
-- Gives what the aggregates ask of the orders in :orders (columns of fact_order and a sign). The sign is 1 for an order
-- that comes in and -1 for one that goes out, to the country that its address was in when the aggregates were last
-- kept, and the risk score that its customer had then. Leaves out deleted orders.
select
    fact.sign,
    fact.order_id,
    fact.customer_key,
    (fact.ordered_ts at time zone 'UTC')::date as day,
    date_trunc('month', fact.ordered_ts at time zone 'UTC')::date as month,
    date_trunc('quarter', fact.ordered_ts at time zone 'UTC')::date as quarter,
    coalesce(before.country, address.country) as country,
    coalesce(case when score_before.customer_key is null then customer.risk_score else score_before.risk_score end, 0)
        as risk_score,
    fact.order_status_key,
    fact.order_amount,
    (extract(epoch from fact.delivered_ts - fact.ordered_ts) * 1000000)::bigint as fulfilment
from :orders as fact
inner join dwh.dim_address as address on fact.address_key = address.address_key
inner join dwh.dim_customer as customer on fact.customer_key = customer.customer_key
left join mart.address_before as before on fact.address_key = before.address_key and fact.sign = -1
left join mart.customer_before as score_before
    on fact.customer_key = score_before.customer_key and fact.sign = -1
where not fact.is_deleted
