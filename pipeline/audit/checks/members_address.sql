-- members of dwh.dim_address are the rows of stage
with

wanted as (
    select address_id, street, unit, city, postal_code, state_code, state_name, country, is_deleted
    from
        (
            select
                address_id,
                street,
                coalesce(unit, 'Unknown') as unit,
                city,
                coalesce(postal_code, 'Unknown') as postal_code,
                coalesce(a.state_code, 'Unknown') as state_code,
                coalesce(s.name, 'Unknown') as state_name,
                country,
                a.etl_deleted_ts is not null as is_deleted
            from stage.addresses as a
            left join stage.states as s on a.state_code = s.state_code
        )
),

found as (
    select address_id, street, unit, city, postal_code, state_code, state_name, country, is_deleted
    from (select * from dwh.dim_address where address_key <> -1)
)

select
    coalesce(wanted.address_id, found.address_id)::varchar as place,
    wanted::varchar as wanted,
    found::varchar as found
from wanted
full join found on wanted.address_id = found.address_id
where wanted is distinct from found
order by place
