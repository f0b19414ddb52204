"""`python -m benchmarks.minutes`: what a minute's load from the source's log takes, and what the source feels of it.

A large source from a generator that takes the words of the example below, in services of the benchmark's own, which are
removed at the end. After the initial load, customers write orders, each in a transaction of its own, and a round of
`python -m pipeline follow` loads them up to the KPIs. Then customers write as fast as they can, in turn without and
with a round every few seconds.

    .venv/bin/python -m benchmarks.minutes --orders 1000000 --generator 'python ../shared/peers/gen.py'
"""

import argparse
import multiprocessing
import os
import random
import shutil
import statistics
import tempfile
import time
from contextlib import closing
from pathlib import Path

from benchmarks.events import change, generate, roles
from benchmarks.run import load
from pipeline import follow, services
from pipeline.kernel import clock, config, postgres
from pipeline.kernel.config import settings
from pipeline.kernel.postgres import Cursor
from pipeline.operations import summary
from pipeline.source.log import publication
from pipeline.tasks.runtime.telling import Alerts

LINES = 3
ORDER = """
with ordered as (
    insert into ops.orders
    select
        %(order_id)s, customer_id, address_id, payment_method_id, order_status_id, now(), null, now(), now()
    from ops.orders where order_id = %(like)s
    returning order_id
)
insert into ops.order_lines
select ordered.order_id, number, 1 + (%(like)s + number) %% 100, 1, 9.99, now(), now()
from ordered, generate_series(1, %(lines)s) as number
"""
CHANGED = "update ops.orders set order_status_id = 2, updated_ts = now() where order_id = %s"
SILENT = Alerts(failures=False, warnings=False)
KPIS = "select sum(orders)::bigint from mart.kpi_monthly"
SECONDS_OF_TASKS = """
select task, sum(extract(epoch from finished - started))::float from etl.task_run
where started >= %s group by task
"""


def main() -> None:
    """Measures, and prints tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=100_000, help="size of the shop")
    parser.add_argument("--generator", required=True, help="command that fills the database OPERATIONAL_URL")
    parser.add_argument("--new", type=int, default=1_000, help="orders of a minute")
    parser.add_argument("--rounds", type=int, default=9, help="minutes")
    parser.add_argument("--seconds", type=int, default=20, help="how long customers write as fast as they can")
    parser.add_argument("--every", type=int, default=5, help="seconds from one load to the next meanwhile")
    arguments = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="ocean-bench-"))
    home.chmod(0o711)
    alone = {"OCEAN_SIMULATE": "0", "OCEAN_CHECK_WHOLE_DAYS": "0", "OCEAN_RECONCILE_DAYS": "0"}
    os.environ |= alone | {"OCEAN_HOME": str(home), "OCEAN_EXTRACTION": "log"}
    try:
        services.up(home)
        config.services_file.cache_clear()  # what was read before all had their ports
        settings.cache_clear()
        _measure(arguments)
    finally:
        services.down(home)
        shutil.rmtree(home, ignore_errors=True)


def _measure(arguments: argparse.Namespace) -> None:
    generate(arguments.generator, "init", "--orders", arguments.orders)
    change(roles())
    with postgres.session(settings().simulator_url, "simulator") as owner:
        publication.create(owner)
    start = time.perf_counter()
    load(clock.today(), 1, 2)
    print(f"the initial load of {arguments.orders:,} orders: {time.perf_counter() - start:.1f} s", flush=True)
    _minutes(arguments)
    _throughput(arguments)


def _minutes(arguments: argparse.Namespace) -> None:
    follow.prepare()
    first, found = arguments.orders * 10, []
    for number in range(arguments.rounds + 1):
        with closing(postgres.connect(settings().simulator_url, "simulator", autocommit=True)) as connection:
            write(connection.cursor(), random.Random(number), first, arguments.new, arguments.orders)
        first += arguments.new
        begun, start = clock.now(), time.perf_counter()
        assert follow.one_round(60, SILENT) == 0
        seconds = time.perf_counter() - start
        with postgres.session(settings().warehouse_url, "warehouse") as cursor:
            assert postgres.value(cursor, KPIS) == first - arguments.orders * 9
            tasks = dict(postgres.rows(cursor, SECONDS_OF_TASKS, (begun,)))
        if number:  # the first pays for what only the first one does
            found.append((seconds, seconds - sum(tasks.values()), tasks))
    rounds = [seconds for seconds, _, _ in found]
    lines = [["a round", f"{statistics.median(rounds):.2f}"], ["the slowest", f"{max(rounds):.2f}"]]
    lines.append(["Luigi, start and end", f"{statistics.median(rest for _, rest, _ in found):.2f}"])
    names = sorted({name for *_, tasks in found for name in tasks})
    lines += [[name, f"{statistics.median(tasks.get(name, 0) for *_, tasks in found):.2f}"] for name in names]
    print(summary.table([f"{arguments.new:,} orders a minute", "seconds"], lines), flush=True)


def _throughput(arguments: argparse.Namespace) -> None:
    found: dict[str, list[float]] = {"without loads": [], f"with a load every {arguments.every} s": []}
    alone, beside = found
    first = arguments.orders * 20
    for _ in range(3):
        for name in (alone, beside):
            loads = multiprocessing.Process(target=follow.follow, args=(arguments.every,)) if name == beside else None
            if loads:
                loads.start()
            written = _write_for(arguments.seconds, first, arguments.orders)
            first += 10_000_000
            if loads:
                loads.terminate()
                loads.join()
            found[name].append(written / arguments.seconds)
    lines = [[name, *(f"{rate:,.0f}" for rate in rates)] for name, rates in found.items()]
    print(summary.table(["orders written a second", "", "", ""], lines))


def write(cursor: Cursor, chance: random.Random, first: int, orders: int, known: int) -> None:
    """Writes orders like known ones, each in its own transaction, and changes the status of every tenth."""
    for order_id in range(first, first + orders):
        cursor.execute(ORDER, {"order_id": order_id, "like": chance.randrange(1, known), "lines": LINES})
        if order_id % 10 == 0:
            cursor.execute(CHANGED, (chance.randrange(1, known),))


def _write_for(seconds: int, first: int, known: int) -> int:
    """How many orders two customers write in so many seconds."""
    with multiprocessing.Pool(2) as pool:
        return sum(pool.starmap(_customer, [(seconds, first, known), (seconds, first + 5_000_000, known)]))


def _customer(seconds: int, first: int, known: int) -> int:
    chance, until, written = random.Random(first), time.monotonic() + seconds, 0
    with closing(postgres.connect(settings().simulator_url, "simulator", autocommit=True)) as connection:
        while time.monotonic() < until:
            write(connection.cursor(), chance, first + written, 10, known)
            written += 10
    return written


if __name__ == "__main__":
    main()
