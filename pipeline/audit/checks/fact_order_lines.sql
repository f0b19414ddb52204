-- lines of dwh.fact_order_line have the version that was valid, and the amounts of stage
with

wanted as (
    select
        order_id,
        line_number,
        product_key,
        supplier_key,
        ordered_date_key,
        quantity,
        unit_price,
        line_amount,
        is_deleted
    from want.fact_order_line
),

found as (
    select
        order_id,
        line_number,
        product_key,
        supplier_key,
        ordered_date_key,
        quantity,
        unit_price,
        line_amount,
        is_deleted
    from dwh.fact_order_line
)

select
    coalesce(wanted.order_id, found.order_id)::varchar
    || '/'
    || coalesce(wanted.line_number, found.line_number)::varchar as place,
    wanted::varchar as wanted,
    found::varchar as found
from wanted
full join found on wanted.order_id = found.order_id and wanted.line_number = found.line_number
where wanted is distinct from found
order by place
