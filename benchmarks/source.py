"""`python -m benchmarks.source`: what an extraction does to the source while its users work.

The source has a server of its own with one core, and everything else has the other cores. A probe does what a shop
does: it looks an order up, changes it and commits, at a fixed pace. The same seconds are measured without an
extraction, with one as fast as the source gives, and with one at `extract_mb_per_second`. Each extraction is a whole
first load into a warehouse of its own.

    .venv/bin/python -m benchmarks.source --orders 1000000 --rate 10
"""

import argparse
import contextlib
import os
import random
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks.run import LAST, OPENED, ORDERS_AT_SCALE_1, load
from pipeline import services
from pipeline.generators.shop import simulate
from pipeline.kernel import config, postgres
from pipeline.operations import summary

PAUSE = 0.005  # seconds from one transaction of the probe to the next
EVERY = 0.05  # seconds between two looks at our sessions
LOOK_UP = "select * from ops.orders where order_id = %s"
CHANGE = "update ops.orders set updated_ts = updated_ts where order_id = %s"
# Our sessions alone; the probe has a name of its own.
OURS = """
select
    coalesce(extract(epoch from max(clock_timestamp() - query_start) filter (where state = 'active')), 0)::float,
    coalesce(extract(epoch from max(clock_timestamp() - xact_start)), 0)::float,
    (
        select coalesce(array_agg(distinct mode), '{}') from pg_locks
        where locktype = 'relation' and pid = any(array_agg(activity.pid))
        and relation >= 16384
    )
from pg_stat_activity as activity
where application_name like 'oceanrecords extract%' and datname = current_database()
"""
TEMPORARY = "select temp_bytes from pg_stat_database where datname = current_database()"


@dataclass
class Seen:
    """Milliseconds of the probe's transactions, and the longest and the strongest that our sessions did."""

    milliseconds: list[float] = field(default_factory=list)
    seconds: float = 0
    statement: float = 0
    transaction: float = 0
    locks: set[str] = field(default_factory=set)
    temporary: int = 0


def main() -> None:
    """Measures, and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=1_000_000, help="size of the shop")
    parser.add_argument("--rate", type=float, default=10, help="extract_mb_per_second of the slow extraction")
    parser.add_argument("--workers", type=int, default=2, help="Luigi's --workers")
    arguments = parser.parse_args()
    with _services() as source_home, _services() as home:
        _measure(source_home, home, arguments.orders / ORDERS_AT_SCALE_1, arguments.rate, arguments.workers)


@contextlib.contextmanager
def _services() -> Iterator[Path]:
    """Embedded services in a folder of their own, which are removed at the end."""
    home = Path(tempfile.mkdtemp(prefix="ocean-bench-"))
    home.chmod(0o711)
    _use(home)
    try:
        services.up(home)
        yield home
    finally:
        _use(home)
        services.down(home)
        shutil.rmtree(home, ignore_errors=True)


def _use(home: Path) -> None:
    os.environ["OCEAN_HOME"] = str(home)
    config.settings.cache_clear()
    config.services_file.cache_clear()


def _measure(source_home: Path, home: Path, scale: float, rate: float, workers: int) -> None:
    _use(source_home)
    source_url, simulator_url = config.settings().operational_url, config.settings().simulator_url
    simulate(simulator_url, LAST, seed=42, scale=scale, opened_on=OPENED, progress=None)
    _execute(simulator_url, "simulator", "vacuum analyze")
    first, others = _pin(source_home, home)

    _use(home)
    os.environ.update(OPERATIONAL_URL=source_url, OCEAN_SIMULATE="0")
    ways: dict[str, Callable[[], None]] = {
        f"as fast as it gives ({workers} tables at once)": lambda: _load("0", scale, workers),
        f"{rate:g} MB a second for each table": lambda: _load(str(rate), scale, workers),
    }
    found = {name: _with_probe(simulator_url, source_url, way) for name, way in ways.items()}
    longest = max(seen.seconds for seen in found.values())
    alone = _with_probe(simulator_url, source_url, lambda: time.sleep(longest))
    print(f"source on core {first}, loads and probe on {others}")
    header = ["extraction", "seconds", "transactions/s", "p50 ms", "p99 ms", "longest ms"]
    header += ["our longest statement s", "transaction s", "temporary bytes", "our locks"]
    print(summary.table(header, [_line(name, seen) for name, seen in {"none": alone, **found}.items()]), flush=True)


def _pin(source_home: Path, home: Path) -> tuple[int, list[int]]:
    """Gives the source's server the first core, and everything else the others."""
    first, *others = sorted(os.sched_getaffinity(0))
    others = others or [first]
    for folder, cores in ((source_home, [first]), (home, others)):
        pids = [state.pid for state in services.status(folder) if state.name == "postgresql" or folder == home]
        for pid in filter(None, pids):
            for process in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)):
                process.cpu_affinity(cores)
    os.sched_setaffinity(0, others)
    return first, others


def _load(rate: str, scale: float, workers: int) -> None:
    """A first load into an empty warehouse, and a lake folder of its own."""
    os.environ.update(OCEAN_EXTRACT_MB_PER_SECOND=rate, LAKE_URL=f"s3://ocean-lake/rate-{rate}")
    config.settings.cache_clear()
    with postgres.session(config.settings().warehouse_url, "warehouse") as cursor:
        for schema in ("mart", "work", "dwh", "stage", "delta", "etl", "analyst"):
            cursor.execute(f"drop schema if exists {schema} cascade")
    load(LAST, scale, workers)


def _with_probe(url: str, extract_url: str, work: Callable[[], None]) -> Seen:
    """Runs something while the probe works and our sessions in the source are looked at, which only their role may."""
    seen, done = Seen(), threading.Event()
    looks = ((_probe, url), (_look, extract_url))
    threads = [threading.Thread(target=look, args=(where, seen, done)) for look, where in looks]
    before = _value(url, TEMPORARY)
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    try:
        work()
    finally:
        seen.seconds = time.perf_counter() - start
        done.set()
        for thread in threads:
            thread.join()
    seen.temporary = _value(url, TEMPORARY) - before
    return seen


def _probe(url: str, seen: Seen, done: threading.Event) -> None:
    orders = random.Random(1)
    with closing(postgres.connect(url, "probe", autocommit=True)) as connection, connection.cursor() as cursor:
        newest = postgres.value(cursor, "select max(order_id) from ops.orders")
        while not done.wait(PAUSE):
            order = orders.randrange(1, newest)
            start = time.perf_counter()
            cursor.execute("begin")
            cursor.execute(LOOK_UP, (order,))
            cursor.execute(CHANGE, (order,))
            cursor.execute("commit")
            seen.milliseconds.append((time.perf_counter() - start) * 1000)


def _look(url: str, seen: Seen, done: threading.Event) -> None:
    with closing(postgres.connect(url, "look", autocommit=True)) as connection, connection.cursor() as cursor:
        while not done.wait(EVERY):
            [(statement, transaction, locks)] = postgres.rows(cursor, OURS)
            seen.statement, seen.transaction = max(seen.statement, statement), max(seen.transaction, transaction)
            seen.locks |= set(locks)


def _line(name: str, seen: Seen) -> list[str]:
    cuts = statistics.quantiles(seen.milliseconds, n=100)
    cells = [
        f"{seen.seconds:.1f}",
        f"{len(seen.milliseconds) / seen.seconds:.0f}",
        f"{cuts[49]:.2f}",
        f"{cuts[98]:.2f}",
    ]
    cells += [f"{max(seen.milliseconds):.1f}", f"{seen.statement:.1f}", f"{seen.transaction:.1f}"]
    return [name, *cells, f"{seen.temporary:,}", ", ".join(sorted(seen.locks)) or "none"]


def _execute(url: str, name: str, statement: str) -> None:
    with postgres.session(url, name) as cursor:
        cursor.execute(statement)


def _value(url: str, query: str) -> int:
    with postgres.session(url, "simulator") as cursor:
        found: int = postgres.value(cursor, query)
        return found


if __name__ == "__main__":
    main()
