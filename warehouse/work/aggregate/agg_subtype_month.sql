-- What the lines in counted_line add to each month, country and subtype, or take away, as their sign says.
select
    month,
    country,
    product_subtype,
    sum(sign * line_amount) as sales,
    sum(subtype_orders) as orders
from counted_line
group by month, country, product_subtype
