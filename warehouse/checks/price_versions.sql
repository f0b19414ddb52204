-- kind: select
-- check: error: products whose versions leave a gap, overlap, or are not open to both sides
-- grain: one row per version of a product
-- reads: :dim_product
-- rerun: gives the same rows
with

versions as (
    select
        product.product_id,
        product.valid_from,
        product.valid_to,
        product.is_current,
        lag(product.valid_to) over by_time as ended_before,
        lead(product.valid_from) over by_time as begins_next
    from :dim_product as product
    window by_time as (partition by product.product_id order by product.valid_from)
)

select
    product_id,
    valid_from,
    valid_to,
    is_current,
    ended_before
from versions
where
    valid_from <> coalesce(ended_before, '1900-01-01 00:00:00+00')
    or is_current <> (begins_next is null)
    or (begins_next is null and valid_to <> '9999-12-31 00:00:00+00')
