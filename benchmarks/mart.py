"""How long the queries of the dashboards take on a warehouse that is loaded, and how long its aggregates take to keep.

Reads the warehouse that WAREHOUSE_URL or the embedded services name, and changes nothing: what it counts again is
rolled back. Each query runs five times; the median is printed.

    .venv/bin/python -m benchmarks.mart --country Germany
"""

import argparse
import statistics
import time

from pipeline.kernel import postgres
from pipeline.kernel.config import settings
from pipeline.kernel.postgres import Cursor
from pipeline.operations import summary
from pipeline.star import mart, moves

LIMIT = 0.3  # seconds that a query of a dashboard may take at a million orders
RUNS = 5

# What the filters of the company dashboard may narrow down, at :where.
FILTERED = {
    "KPIs by month": """
        select
            month, sum(sales), sum(sales) / nullif(sum(orders_not_lost), 0),
            sum(fulfilment_days) / nullif(sum(delivered_orders), 0),
            sum(lost_orders) / nullif(sum(orders), 0) - max(lost_order_limit)
        from mart.kpi_monthly_country where :where group by month""",
    "quarters": """
        select
            quarter_label, sum(sales),
            case
                when count(distinct country) = 1 then sum(unique_customers)
                when count(distinct country) = max(countries_everywhere) then max(unique_customers_everywhere)
            end
        from mart.kpi_quarterly_country where :where group by quarter_label""",
    "top products": """
        select label, sum(sales) from mart.sales_by_product where :where group by label order by 2 desc limit 10""",
    "top subtypes": """
        select label, sum(sales) from mart.sales_by_subtype where :where group by label order by 2 desc limit 10""",
    "top countries": """
        select label, sum(sales) from mart.sales_by_country where :where group by label order by 2 desc limit 10""",
}
WHOLE = {
    "load days": "select * from mart.load_day",
    "steps": "select task, sum(seconds) from mart.step_day group by 1",
    "layers": "select load_date, layer, sum(rows) from mart.layer_rows group by 1, 2",
    "queue": "select * from mart.queue_depth",
    "lag": "select * from mart.watermark_lag",
    "risk bands": "select * from mart.risk_band",
    "reviews": "select month, sum(reviews) from mart.review_volume group by 1",
    "behaviour": "select positive_share_band, sum(amount_spent) from mart.customer_behavior group by 1",
}


def main() -> None:
    """Prints a table of the queries and one of the two ways to keep the aggregates."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--country", default="Germany", help="the country that filters ask for")
    country = parser.parse_args().country
    with postgres.transaction(settings().warehouse_url, "warehouse") as cursor:
        filters = {"all": "true", "a country": f"country = '{country}'"}
        queries = {
            **{
                f"{name}, {what}": text.replace(":where", where)
                for name, text in FILTERED.items()
                for what, where in filters.items()
            },
            **WHOLE,
        }
        found = [
            (name, statistics.median(_seconds(cursor, query) for _ in range(RUNS))) for name, query in queries.items()
        ]
        lines = [
            [name, f"{seconds * 1000:.0f}", "over the limit" if seconds > LIMIT else ""] for name, seconds in found
        ]
        print(summary.table(["query", "ms", ""], lines))
        moves.ask_for_refill(cursor, "benchmark")
        began = time.perf_counter()
        orders = mart.keep(cursor, lambda *_: None)
        print(f"\n{orders:,} orders counted again in {time.perf_counter() - began:.1f} s")
        cursor.connection.rollback()


def _seconds(cursor: Cursor, query: str) -> float:
    began = time.perf_counter()
    cursor.execute(query)
    cursor.fetchall()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
