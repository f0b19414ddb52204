"""The cells of the mart's aggregates that count an order, and whether it is counted yet."""

from dataclasses import dataclass, field

from pipeline.kernel.postgres import Cursor
from pipeline.people.order_layers import Starred
from pipeline.people.records import Record, records


@dataclass(frozen=True)
class Counted:
    """The cells that an order belongs to. `waits`: the tables whose notes say that a load is to count it still.

    `left_out`: why it counts nowhere; empty if it does.
    """

    cells: list[Record] = field(default_factory=list)
    waits: list[str] = field(default_factory=list)
    left_out: str = ""


def counted(cursor: Cursor, star: Starred, *, is_kept: bool) -> Counted:
    """The cells of an order of dwh."""
    assert star.fact
    keys = {
        "order": star.fact["order_id"],
        "address": star.fact["address_key"],
        "customer": star.fact["customer_key"],
        "products": [line["product_key"] for line in star.lines],
    }
    waits = [row["noted"] for row in records(cursor, WAITS, keys)]
    left_out = "deleted orders are not counted" if star.fact["is_deleted"] else ""
    if waits and not is_kept:
        left_out = left_out or "mart = 0: the next load with mart = 1 counts it"
    return Counted(records(cursor, CELLS, keys), waits, left_out)


# What was written or moved since LoadMart last ran.
WAITS = """
select 'mart.refill' as noted where exists (select from mart.refill)
union all
select 'mart.order_before' where exists (select from mart.order_before where order_id = %(order)s)
union all
select 'mart.line_before' where exists (select from mart.line_before where order_id = %(order)s)
union all
select 'mart.address_before' where exists (select from mart.address_before where address_key = %(address)s)
union all
select 'mart.product_before' where exists (select from mart.product_before where product_key = any(%(products)s))
union all
select 'mart.customer_before' where exists (select from mart.customer_before where customer_key = %(customer)s)
"""
CELLS = """
with

placed as (
    select
        date_trunc('month', fact.ordered_ts at time zone 'UTC')::date as month,
        address.country,
        fact.order_status_key,
        status.name as order_status,
        fact.order_id
    from dwh.fact_order as fact
    inner join dwh.dim_address as address on fact.address_key = address.address_key
    inner join dwh.dim_order_status as status on fact.order_status_key = status.order_status_key
    where fact.order_id = %(order)s
),

sold as (
    select distinct placed.*, product.product_id, product.product_subtype
    from placed
    inner join dwh.fact_order_line as line on placed.order_id = line.order_id
    inner join dwh.dim_product as product on line.product_key = product.product_key
    where not line.is_deleted
)

select
    'mart.agg_order_month' as aggregate, placed.month, placed.country, placed.order_status, '' as of, agg.orders,
    agg.sales
from placed
left join mart.agg_order_month as agg
    on placed.month = agg.month and placed.country = agg.country and placed.order_status_key = agg.order_status_key
union all
select
    'mart.agg_product_month', sold.month, sold.country, sold.order_status, 'product ' || sold.product_id, agg.orders,
    agg.sales
from sold
left join mart.agg_product_month as agg
    on sold.month = agg.month and sold.country = agg.country and sold.order_status_key = agg.order_status_key
    and sold.product_id = agg.product_id
union all
select distinct
    'mart.agg_subtype_month', sold.month, sold.country, sold.order_status, sold.product_subtype, agg.orders, agg.sales
from sold
left join mart.agg_subtype_month as agg
    on sold.month = agg.month and sold.country = agg.country and sold.order_status_key = agg.order_status_key
    and sold.product_subtype = agg.product_subtype
order by 1, 5
"""
