-- members of dwh.dim_customer are the rows of stage, with their risk score
with

wanted as (
    select customer_id, first_name, last_name, email, phone, birth_date, registered_on, risk_score, is_deleted
    from
        (
            select
                c.customer_id,
                first_name,
                last_name,
                coalesce(email, 'Unknown') as email,
                coalesce(phone, 'Unknown') as phone,
                birth_date,
                registered_on,
                s.risk_score,
                etl_deleted_ts is not null as is_deleted
            from stage.customers as c
            left join stage.risk_score as s on c.customer_id = s.customer_id
        )
),

found as (
    select customer_id, first_name, last_name, email, phone, birth_date, registered_on, risk_score, is_deleted
    from (select * from dwh.dim_customer where customer_key <> -1)
)

select
    coalesce(wanted.customer_id, found.customer_id)::varchar as place,
    wanted::varchar as wanted,
    found::varchar as found
from wanted
full join found on wanted.customer_id = found.customer_id
where wanted is distinct from found
order by place
