"""`python -m benchmarks.queue`: what a day's load costs while rows wait in the reprocessing queue, and while none does.

A new simulated shop in services of the benchmark's own, which are removed at the end: the initial load, then days in
turn without and with the waiting rows, whose customers never come. Prints the medians of the seconds of the facts'
loads, of the queries that each load and the status ask, and of the whole command.

    .venv/bin/python -m benchmarks.queue --waiting 1000000 --days 5 --workers 2
"""

import argparse
import datetime as dt
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.run import LAST, OPENED, ORDERS_AT_SCALE_1, load
from pipeline import services
from pipeline.generators.shop import simulate
from pipeline.kernel import config, postgres
from pipeline.operations import alerts, status, summary

# Half of them of orders, half of reviews, spread over as many customers.
FILL = """
insert into etl.reprocessing_queue (fact_table, business_key, dimension, dimension_key, queued_ts)
select
    case when number %% 2 = 0 then 'fact_order' else 'fact_review' end, 'waiting ' || number, 'dim_customer',
    (9000000000 + number)::text, now() - interval '30 days'
from generate_series(1, %(waiting)s) as number
"""
EMPTY = "delete from etl.reprocessing_queue where business_key like 'waiting %'"
FACTS = """
select extract(epoch from sum(finished - started))::float from etl.task_run
where task = 'LoadFact' and params ->> 'date' = %(date)s
"""


def main() -> None:
    """Measures, and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=100_000, help="size of the shop")
    parser.add_argument("--waiting", type=int, default=1_000_000, help="rows in the queue")
    parser.add_argument("--days", type=int, default=5, help="days of each kind")
    parser.add_argument("--workers", type=int, default=2, help="Luigi's --workers")
    arguments = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="ocean-bench-"))
    home.chmod(0o711)
    os.environ["OCEAN_HOME"] = str(home)
    try:
        services.up(home)
        _measure(arguments.orders / ORDERS_AT_SCALE_1, arguments.waiting, arguments.days, arguments.workers)
    finally:
        services.down(home)
        shutil.rmtree(home, ignore_errors=True)


def _measure(scale: float, waiting: int, days: int, workers: int) -> None:
    _day(LAST, scale, workers)
    found: dict[int, list[tuple[float, ...]]] = {0: [], waiting: []}
    date = LAST
    for _ in range(days):
        for rows in found:
            date += dt.timedelta(days=1)
            _execute(EMPTY)
            _execute(FILL, waiting=rows)
            _execute("vacuum analyze")
            found[rows].append(_day(date, scale, workers))
    lines = [
        [f"{rows:,}", *(f"{statistics.median(column):.3f}" for column in zip(*measured, strict=True))]
        for rows, measured in found.items()
    ]
    print(summary.table(["rows that wait", "loads of facts", "queries", "the whole day"], lines))


def _day(date: dt.date, scale: float, workers: int) -> tuple[float, ...]:
    """Seconds of the loads of facts, of the queries about the queue, and of the command."""
    simulate(config.settings().simulator_url, date, seed=42, scale=scale, opened_on=OPENED, progress=None)
    start = time.perf_counter()
    load(date, scale, workers)
    day = time.perf_counter() - start
    settings = config.settings()
    with postgres.session(settings.warehouse_url, "warehouse") as cursor:
        facts: float = postgres.value(cursor, FACTS, {"date": str(date)})
        start = time.perf_counter()
        summary.of_date(cursor, date)
        alerts.warnings(cursor, 60, settings)
        status.read(cursor, dt.datetime.now(dt.UTC), 7, settings)
        postgres.rows(cursor, "select * from mart.queue_depth")
        return facts, time.perf_counter() - start, day


def _execute(query: str, **values: int) -> None:
    with postgres.session(config.settings().warehouse_url, "warehouse") as cursor:
        cursor.execute(query, values or None)


if __name__ == "__main__":
    main()
