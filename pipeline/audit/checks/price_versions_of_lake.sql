-- versions of a product are the prices that the extracts on the lake have seen
with

seen as (
    select
        product_id, updated_ts, unit_price,
        lag(unit_price) over each_product as price_before,
        row_number() over each_product as number
    from expected.price
    where product_id in (select product_id from stage.products)
    window each_product as (partition by product_id order by updated_ts)
),

starts as (
    select product_id, unit_price, case when number = 1 then timestamp '1900-01-01' else updated_ts end as valid_from
    from seen
    where number = 1 or unit_price is distinct from price_before
),

wanted as (
    select
        product_id, valid_from, unit_price,
        lead(valid_from, 1, timestamp '9999-12-31') over (partition by product_id order by valid_from) as valid_to
    from starts
),

found as (select product_id, valid_from, unit_price, valid_to from dwh.dim_product where product_key <> -1)

select
    coalesce(wanted.product_id, found.product_id) || ' from ' || coalesce(wanted.valid_from, found.valid_from) as place,
    wanted::varchar as wanted,
    found::varchar as found
from wanted
full join found on wanted.product_id = found.product_id and wanted.valid_from = found.valid_from
where wanted is distinct from found
order by place
