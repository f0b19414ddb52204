-- kind: select
-- grain: one row per version of each changed product, old versions included
-- reads: dwh.dim_product, stage.product_subtypes, stage.product_types, stage.products, stage.products_version
-- rerun: gives the same rows
-- Takes stage.products and its observed prices, product_subtypes and product_types after the batches :products_after,
-- :product_subtypes_after and :product_types_after. A price holds from the instant at which it was first seen until
-- another one was seen, the first one from 1900-01-01, the last one until 9999-12-31 (UTC). So a price that is seen
-- late is inserted in its place. product_key is that of the version that a row continues (NULL: a new one).
with

changed_subtypes as (
    select product_subtype_id from stage.product_subtypes where etl_batch > :product_subtypes_after
    union
    select product_subtype_id from stage.product_subtypes
    where product_type_id in (select product_type_id from stage.product_types where etl_batch > :product_types_after)
),

changed as (
    select product_id from stage.products where etl_batch > :products_after
    union
    select product_id from stage.products_version where etl_batch > :products_after
    union
    select product_id from stage.products
    where product_subtype_id in (select product_subtype_id from changed_subtypes)
),

products as (select * from stage.products where product_id in (select product_id from changed)),

observed as (
    select
        product_id,
        updated_ts,
        unit_price,
        lag(unit_price) over by_time as price_before,
        row_number() over by_time as number
    from stage.products_version
    where product_id in (select product_id from changed)
    window by_time as (partition by product_id order by updated_ts)
),

price_starts as (
    select
        product_id,
        unit_price,
        case when number = 1 then '1900-01-01 00:00:00+00' else updated_ts end as valid_from
    from observed
    where number = 1 or unit_price is distinct from price_before
),

versions as (
    select
        *,
        lead(valid_from, 1, '9999-12-31 00:00:00+00') over (partition by product_id order by valid_from) as valid_to
    from price_starts
),

-- A version continues an older one that has the same price at some instant. If a late price cuts one in two, the
-- earlier part continues it.
continued as (
    select distinct on (dim_product.product_key)
        dim_product.product_key,
        versions.product_id,
        versions.valid_from
    from dwh.dim_product
    inner join versions
        on
            dim_product.product_id = versions.product_id
            and dim_product.unit_price is not distinct from versions.unit_price
            and dim_product.valid_from < versions.valid_to
            and dim_product.valid_to > versions.valid_from
    order by dim_product.product_key asc, versions.valid_from asc
)

select
    continued.product_key,
    products.product_id,
    products.sku,
    products.name,
    coalesce(product_types.name, 'Unknown') as product_type,
    coalesce(product_subtypes.name, 'Unknown') as product_subtype,
    products.supplier_id,
    versions.unit_price,
    versions.valid_from,
    versions.valid_to,
    versions.valid_to = '9999-12-31 00:00:00+00' as is_current,
    products.etl_deleted_ts is not null as is_deleted
from versions
inner join products on versions.product_id = products.product_id
left join stage.product_subtypes on products.product_subtype_id = product_subtypes.product_subtype_id
left join stage.product_types on product_subtypes.product_type_id = product_types.product_type_id
left join continued on versions.product_id = continued.product_id and versions.valid_from = continued.valid_from
