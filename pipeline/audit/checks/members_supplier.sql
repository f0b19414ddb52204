-- members of dwh.dim_supplier are the rows of stage
with

wanted as (
    select supplier_id, name, contact_email, country, is_deleted
    from
        (
            select
                supplier_id,
                name,
                coalesce(contact_email, 'Unknown') as contact_email,
                country,
                etl_deleted_ts is not null as is_deleted
            from stage.suppliers
        )
),

found as (
    select supplier_id, name, contact_email, country, is_deleted
    from (select * from dwh.dim_supplier where supplier_key <> -1)
)

select
    coalesce(wanted.supplier_id, found.supplier_id)::varchar as place,
    wanted::varchar as wanted,
    found::varchar as found
from wanted
full join found on wanted.supplier_id = found.supplier_id
where wanted is distinct from found
order by place
