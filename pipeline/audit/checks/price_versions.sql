-- versions of a product follow each other from the beginning to the end, and each has another price than the one before
with

versions as (
    select
        product_id, unit_price, valid_from, valid_to, is_current,
        lag(valid_to) over each_product as end_before,
        lag(unit_price) over each_product as price_before,
        row_number() over each_product as number,
        count(*) over (partition by product_id) as versions
    from dwh.dim_product
    window each_product as (partition by product_id order by valid_from, valid_to)
),

judged as (
    select
        *,
        case when number = 1 then timestamp '1900-01-01' else end_before end as must_begin,
        number = versions as must_be_current
    from versions
)

select
    product_id || ' from ' || valid_from as place,
    case
        when valid_from <> must_begin then 'begins ' || must_begin
        when number > 1 and unit_price is not distinct from price_before then 'another price'
        when must_be_current then 'current, to 9999-12-31'
        else 'not current'
    end as wanted,
    'begins ' || valid_from || ', ends ' || valid_to || ', price ' || coalesce(unit_price::varchar, 'none')
    || case when is_current then ', current' else '' end as found
from judged
where
    valid_from <> must_begin or valid_from >= valid_to
    or is_current <> must_be_current or (valid_to = timestamp '9999-12-31') <> must_be_current
    or (number > 1 and unit_price is not distinct from price_before)
order by place
