-- What the lines in counted_line add to each month, country and product, or take away, as their sign says.
select
    month,
    country,
    product_id,
    sum(sign * line_amount) as sales,
    sum(product_orders) as orders
from counted_line
group by month, country, product_id
