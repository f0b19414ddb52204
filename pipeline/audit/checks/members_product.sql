-- versions of dwh.dim_product have the names of stage
with

wanted as (
    select product_key, product_id, sku, name, product_type, product_subtype, supplier_id, is_deleted
    from
        (
            select
                v.product_key,
                p.product_id,
                p.sku,
                p.name,
                coalesce(t.name, 'Unknown') as product_type,
                coalesce(s.name, 'Unknown') as product_subtype,
                p.supplier_id,
                p.etl_deleted_ts is not null as is_deleted
            from dwh.dim_product as v
            inner join stage.products as p on v.product_id = p.product_id
            left join stage.product_subtypes as s on p.product_subtype_id = s.product_subtype_id
            left join stage.product_types as t on s.product_type_id = t.product_type_id
        )
),

found as (
    select product_key, product_id, sku, name, product_type, product_subtype, supplier_id, is_deleted
    from (select * from dwh.dim_product where product_key <> -1)
)

select
    coalesce(wanted.product_key, found.product_key)::varchar as place,
    wanted::varchar as wanted,
    found::varchar as found
from wanted
full join found on wanted.product_key = found.product_key
where wanted is distinct from found
order by place
