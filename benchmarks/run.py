"""`make bench`: how long each step of a load takes, what memory it needs, and what it leaves on the lake.

For each size: a new simulated shop, one year old; the initial load, the next day, the same day again. Everything runs
in services of the benchmark's own, which are removed at the end.

    .venv/bin/python -m benchmarks.run --orders 100000 1000000 --workers 2
"""

import argparse
import datetime as dt
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from pipeline import services
from pipeline.generators.shop import simulate
from pipeline.kernel import config, postgres
from pipeline.operations import summary

ROOT = Path(__file__).parents[1]
OPENED = dt.date(2024, 1, 1)
LAST = dt.date(2024, 12, 31)
ORDERS_AT_SCALE_1 = 62_000  # in that year
EVERY = 0.02  # seconds between two looks at the memory

STEPS = """
select
    task || ' ' || coalesce(params ->> 'table', ''), coalesce(rows, 0), coalesce(bytes, 0),
    extract(epoch from finished - started)::float
from etl.task_run where params ->> 'date' = %s and finished - started > interval '0.2 s' order by started
"""


@dataclass
class Measured:
    """Wall seconds, and peak memory in MiB of our processes and of PostgreSQL (shared pages counted once)."""

    seconds: float
    ours: float
    server: float


def main() -> None:
    """Measures each size and prints two tables for it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, nargs="+", default=[100_000, 1_000_000], help="sizes of the shop")
    parser.add_argument("--workers", type=int, default=2, help="Luigi's --workers")
    arguments = parser.parse_args()
    for orders in arguments.orders:
        home = Path(tempfile.mkdtemp(prefix="ocean-bench-"))
        home.chmod(0o711)
        try:
            _measure(home, orders, arguments.workers)
        finally:
            services.down(home)
            shutil.rmtree(home, ignore_errors=True)


def _measure(home: Path, orders: int, workers: int) -> None:
    os.environ["OCEAN_HOME"] = str(home)
    config.settings.cache_clear()
    config.services_file.cache_clear()
    services.up(home)
    scale = orders / ORDERS_AT_SCALE_1
    rows = 0
    lines: list[list[str]] = []

    def business(date: dt.date) -> None:
        nonlocal rows
        url = config.settings().simulator_url
        rows = simulate(url, date, seed=42, scale=scale, opened_on=OPENED, progress=None).rows

    def note(name: str, measured: Measured, moved: int) -> None:
        speed = f"{moved / measured.seconds:,.0f}" if moved else ""
        memory = [f"{measured.ours:,.0f}", f"{measured.server:,.0f}"]
        lines.append([name, f"{measured.seconds:.2f}", f"{moved:,}", speed, *memory, f"{_lake_bytes(home) / 1e6:,.1f}"])

    note("simulate a year", _watched(home, lambda: business(LAST)), rows)
    tomorrow = LAST + dt.timedelta(days=1)
    loads = {date: (lambda date=date: load(date, scale, workers)) for date in (LAST, tomorrow)}
    _settle()
    note("initial load", _watched(home, loads[LAST]), _extracted(LAST))
    steps = _steps(LAST)
    business(tomorrow)
    _settle()
    note("the next day", _watched(home, loads[tomorrow]), _extracted(tomorrow))
    note("the same day again", _watched(home, loads[tomorrow]), 0)
    header = ["step", "seconds", "rows", "rows/s", "our MiB", "PostgreSQL MiB", "S3 MB"]
    print(f"\n{_count('ops.orders'):,} orders, {_count('ops.order_lines'):,} lines, {workers} workers")
    print(summary.table(header, lines))
    print("\nsteps of the initial load over 0.2 s")
    print(summary.table(["step", "seconds", "rows", "rows/s", "bytes"], steps), flush=True)


def load(date: dt.date, scale: float, workers: int) -> None:
    """The load of a date, as a command of its own."""
    luigi = str(Path(sys.executable).parent / "luigi")
    job = f"--module pipeline DailyWarehouseLoad --date {date} --local-scheduler --workers {workers}"
    subprocess.run(
        [luigi, *job.split()],
        cwd=ROOT,
        env=os.environ | {"OCEAN_SHOP_SCALE": str(scale), "OCEAN_SHOP_OPENED_ON": str(OPENED)},
        check=True,
        capture_output=True,
    )


def _watched(home: Path, work: Callable[[], None]) -> Measured:
    """Runs something in this process or its children, and looks at the memory meanwhile."""
    done = threading.Event()
    measured = Measured(0, 0, 0)
    pids = {state.name: state.pid for state in services.status(home)}

    def look() -> None:
        me, server = psutil.Process(), psutil.Process(pids["postgresql"])
        while not done.wait(EVERY):
            # The services were started by this process, so they are among its children.
            luigi = [child for child in me.children() if child.pid not in pids.values()]
            ours = [process for child in luigi for process in (child, *_children(child))]
            measured.ours = max(measured.ours, _memory(ours or [me]))
            measured.server = max(measured.server, _memory([server, *_children(server)]))

    watcher = threading.Thread(target=look)
    watcher.start()
    start = time.perf_counter()
    try:
        work()
        measured.seconds = time.perf_counter() - start
    finally:
        done.set()
        watcher.join()
    return measured


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        found: list[psutil.Process] = process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return found


def _memory(processes: list[psutil.Process]) -> float:
    total = 0
    for process in processes:
        try:
            total += process.memory_full_info().pss
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return total / 2**20


def _settle() -> None:
    """What the night between two loads does."""
    for url, name in (
        (config.settings().simulator_url, "simulator"),
        (config.settings().warehouse_url, "warehouse"),
    ):
        with postgres.session(url, name) as cursor:
            cursor.execute("vacuum analyze")


def _extracted(date: dt.date) -> int:
    with postgres.session(config.settings().warehouse_url, "warehouse") as cursor:
        query = "select sum(rows)::bigint from etl.task_run where task = 'ExtractTable' and params ->> 'date' = %s"
        found: int = postgres.value(cursor, query, (str(date),))
        return found


def _steps(date: dt.date) -> list[list[str]]:
    with postgres.session(config.settings().warehouse_url, "warehouse") as cursor:
        return [
            [name, f"{seconds:.2f}", f"{rows:,}", f"{rows / seconds:,.0f}", f"{size:,}"]
            for name, rows, size, seconds in postgres.rows(cursor, STEPS, (str(date),))
        ]


def _count(table: str) -> int:
    with postgres.session(config.settings().simulator_url, "simulator") as cursor:
        found: int = postgres.value(
            cursor, postgres.sql.SQL("select count(*) from {}").format(postgres.qualified(table))
        )
        return found


def _lake_bytes(home: Path) -> int:
    return sum(path.stat().st_size for path in (home / "s3").rglob("*") if path.is_file())


if __name__ == "__main__":
    main()
