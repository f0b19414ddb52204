"""What a warehouse must hold after a history, by the oracle, and what is wrong in one."""

from typing import Any

from support.histories import Oracle, day_key
from support.world import World

FACTS = """
select order_id, order_status_id, ordered_date_key, delivered_date_key, line_count, order_amount::float
from dwh.fact_order join dwh.dim_order_status using (order_status_key) where not fact_order.is_deleted
"""
LINES = """
select order_id, line_number, product_id, quantity, ordered_date_key
from dwh.fact_order_line join dwh.dim_product using (product_key) where not fact_order_line.is_deleted
"""
KPIS = """
select to_char(month, 'YYYY-MM'), sales::float, orders, round(average_order_value, 6)::float,
    round(lost_order_deviation, 6)::float, round(average_fulfilment_days, 6)::float
from mart.kpi_monthly
"""
PRICES = "select product_id, unit_price::float from dwh.dim_product where is_current and product_id > 0"
GAPS = """
select product_id, valid_from from (
    select product_id, valid_from, lag(valid_to, 1, '1900-01-01 00:00+00') over of_product as end_before,
        unit_price is not distinct from lag(unit_price) over of_product as is_same
    from dwh.dim_product where product_id > 0 window of_product as (partition by product_id order by valid_from)
) as versions where valid_from <> end_before or is_same
"""
QUEUE = "select fact_table, business_key from etl.reprocessing_queue where resolved_ts is null"


def differences(world: World, oracle: Oracle) -> list[str]:
    """What the warehouse holds and must not, and the other way round."""
    for table, rows in oracle.now.items():
        oracle.seen[table] = list(rows.values())
    orders, lines = oracle.now["ops.orders"], oracle.now["ops.order_lines"]
    wanted: dict[str, tuple[str, set[Any]]] = {
        "orders": (FACTS, oracle.facts()[0]),
        "lines": (
            LINES,
            {
                (*key, line["product"], line["quantity"], day_key(orders[key[0]]["ordered"]))
                for key, line in lines.items()
            },
        ),
        "KPIs": (KPIS, oracle.kpis()),
        "prices": (PRICES, {(key, float(row["price"])) for key, row in oracle.now["ops.products"].items()}),
        "gaps": (GAPS, set()),
        "queue": (QUEUE, set()),
    }
    found = {name: world.rows(query) for name, (query, _) in wanted.items()}
    return [
        f"{name}: missing {sorted(rows - found[name], key=str)}, too many {sorted(found[name] - rows, key=str)}"
        for name, (_, rows) in wanted.items()
        if found[name] != rows
    ]
