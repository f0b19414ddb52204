"""`python -m benchmarks.together`: a day's load beside those who look, ask, and fill: what each feels of the other.

A new simulated shop in services of the benchmark's own, which are removed at the end, with its dashboards. Days are
loaded in turn: alone; while viewers open all dashboards again and again; while analysts ask one long query after the
other; through a luigid without a history, and through one with a long one; and, where root may mount a file system,
with 90 % of the disk taken. Prints the median seconds of the loads, and what was asked meanwhile, how long that took,
and how often it failed.

    .venv/bin/python -m benchmarks.together --viewers 20 --analysts 4 --rounds 3
"""

import argparse
import datetime as dt
import json
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import urllib3

from benchmarks import dashboards
from benchmarks.run import LAST, OPENED, ORDERS_AT_SCALE_1, ROOT
from pipeline import services
from pipeline.generators.shop import simulate
from pipeline.kernel import config, postgres
from pipeline.kernel.errors import OceanError
from pipeline.operations import summary

# Seconds of work over all lines, as somebody's first draft of a query is.
LONG = """
select c.country, p.product_id, sum(l.line_amount), count(distinct o.order_id)
from fact_order_line as l
join fact_order as o using (order_id)
join dim_address as c using (address_key)
join dim_product as p using (product_key)
cross join generate_series(1, 20)
group by 1, 2
order by 3 desc
"""
TASKS = "with recursive n(i) as (select 1 union all select i + 1 from n where i < {0}) "
HISTORY = (
    "insert into tasks (id, task_id, name, host) select 1000000 + i, 'LoadStage_' || i, 'LoadStage', 'here' from n",
    "insert into task_parameters (task_id, name, value) select 1000000 + i, 'table', 'ops.orders' from n",
    "insert into task_events (task_id, event_name, ts) select 1000000 + i, 'PENDING', '2024-01-01 00:00:00' from n",
    "insert into task_events (task_id, event_name, ts) select 1000000 + i, 'RUNNING', '2024-01-01 00:00:01' from n",
    "insert into task_events (task_id, event_name, ts) select 1000000 + i, 'DONE', '2024-01-01 00:00:02' from n",
)


@dataclass
class Beside:
    """What others did while loads ran."""

    loads: list[float] = field(default_factory=list)
    asked: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def row(self, name: str) -> list[str]:
        """A line of the table."""
        p95 = statistics.quantiles(self.asked, n=20, method="inclusive")[-1] if len(self.asked) > 1 else None
        figures = (statistics.median(self.asked), p95, max(self.asked)) if p95 else ()
        asked = [f"{len(self.asked):,}", *(f"{seconds:.2f}" for seconds in figures)] if figures else [""] * 4
        load = f"{statistics.median(self.loads):.2f}" if self.loads else ""
        return [name, load, *asked, str(len(self.failures))]


def main() -> None:
    """Measures, and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=100_000, help="size of the shop")
    parser.add_argument("--viewers", type=int, default=20, help="who open the dashboards at once")
    parser.add_argument("--analysts", type=int, default=4, help="who ask at once")
    parser.add_argument("--history", type=int, default=100_000, help="tasks that luigid has seen")
    parser.add_argument("--rounds", type=int, default=3, help="days of each kind")
    arguments = parser.parse_args()
    with _home() as (home, may_fill):
        os.environ |= {
            "OCEAN_HOME": str(home),
            "OCEAN_SHOP_SCALE": str(arguments.orders / ORDERS_AT_SCALE_1),
            "OCEAN_SHOP_OPENED_ON": str(OPENED),
            "OCEAN_SIMULATE_FEEDS": "0",
            "OCEAN_FORECAST": "off",
        }
        services.up(home)
        _measure(home, may_fill, arguments)


@contextmanager
def _home() -> Iterator[tuple[Path, bool]]:
    """A folder for the services, and whether it is a file system of its own, which may be filled."""
    home = Path(tempfile.mkdtemp(prefix="ocean-bench-"))
    mount = ["mount", "-t", "tmpfs", "-o", "size=4g,mode=711", "tmpfs", str(home)]
    may_fill = os.geteuid() == 0 and subprocess.run(mount, check=False, capture_output=True).returncode == 0
    home.chmod(0o711)
    try:
        yield home, may_fill
    finally:
        services.down(home)
        if may_fill:
            subprocess.run(["umount", str(home)], check=True)
        shutil.rmtree(home, ignore_errors=True)


def _measure(home: Path, may_fill: bool, arguments: argparse.Namespace) -> None:
    dates = iter(LAST + dt.timedelta(days=days) for days in range(1000))
    _day(next(dates))
    services.dashboards(home)
    people, wanted = dashboards.visitors(home, arguments.viewers)
    dashboards.look(people[:1], wanted)  # once for what a new process does once
    looked = dashboards.look(people, wanted)
    found = {"viewers, without a load": Beside([], looked.requests, looked.failures)}

    @contextmanager
    def viewers(beside: Beside) -> Iterator[None]:
        measured = dashboards.Measured()
        with _again_and_again([partial(measured.open, person, wanted) for person in people]):
            yield
        beside.asked += measured.requests
        beside.failures += measured.failures

    @contextmanager
    def analysts(beside: Beside) -> Iterator[None]:
        with _again_and_again([lambda: _ask(home, beside)] * arguments.analysts):
            yield

    kinds: dict[str, tuple[Callable[[Beside], AbstractContextManager[None]], tuple[str, ...]]] = {
        "alone": (_nothing, ("--local-scheduler",)),
        f"{arguments.viewers} viewers": (viewers, ("--local-scheduler",)),
        f"{arguments.analysts} analysts": (analysts, ("--local-scheduler",)),
        "luigid without a history": (_nothing, ()),
    }
    if may_fill:
        kinds["disk taken by 90 %"] = (lambda _: _filled(home), ("--local-scheduler",))
    for _ in range(arguments.rounds):
        for name, (beside, words) in kinds.items():
            _measured(found.setdefault(name, Beside()), next(dates), beside, words)
    _fill_history(home, arguments.history)
    name = f"luigid with {arguments.history:,} tasks"
    for _ in range(arguments.rounds):
        _measured(found.setdefault(name, Beside()), next(dates), _nothing, ())
    found["its page /history"] = Beside([], _pages(home))
    header = ["beside the load", "load", "asked", "p50", "p95", "slowest", "failed"]
    print(summary.table(header, [each.row(name) for name, each in found.items()]))
    for name, each in found.items():
        for failure in each.failures[:3]:
            print(name, failure)


def _measured(
    into: Beside, date: dt.date, beside: Callable[[Beside], AbstractContextManager[None]], words: tuple[str, ...]
) -> None:
    """Loads a date while something else goes on."""
    simulated = _simulate(date)
    assert simulated
    with beside(into):
        into.loads.append(_load(date, *words))


def _day(date: dt.date) -> float:
    _simulate(date)
    return _load(date, "--local-scheduler")


def _simulate(date: dt.date) -> int:
    scale = float(os.environ["OCEAN_SHOP_SCALE"])
    url = config.settings().simulator_url
    return simulate(url, date, seed=42, scale=scale, opened_on=OPENED, progress=None).rows


def _load(date: dt.date, *words: str) -> float:
    """Seconds of the load of a date, as a command of its own."""
    luigi = str(Path(sys.executable).parent / "luigi")
    job = (luigi, "--module", "pipeline", "DailyWarehouseLoad", "--date", str(date), "--workers", "2", *words)
    started = time.perf_counter()
    subprocess.run(job, cwd=ROOT, check=True, capture_output=True)
    return time.perf_counter() - started


@contextmanager
def _again_and_again(works: list[Callable[[], None]]) -> Iterator[None]:
    """Does each work in a thread of its own, again and again until the block ends, and once at least."""
    done = threading.Event()

    def go_on(work: Callable[[], None]) -> None:
        work()
        while not done.is_set():
            work()

    with ThreadPoolExecutor(len(works)) as threads:
        started = [threads.submit(go_on, work) for work in works]
        time.sleep(1)  # they are under way when the load begins
        try:
            yield
        finally:
            done.set()
    for each in started:
        each.result()


@contextmanager
def _nothing(_: Beside) -> Iterator[None]:
    """The load alone."""
    yield


def _services(home: Path) -> dict[str, str]:
    """Addresses and passwords."""
    return dict(json.loads((home / "services.json").read_text()))


def _ask(home: Path, beside: Beside) -> None:
    """An analyst's query."""
    url = _services(home)["bi_analyst_url"]
    started = time.perf_counter()
    try:
        with postgres.session(url, "benchmark") as cursor:
            cursor.execute(LONG)
            cursor.fetchall()
    except OceanError as error:
        beside.failures.append(str(error))
    beside.asked.append(time.perf_counter() - started)


@contextmanager
def _filled(home: Path) -> Iterator[None]:
    """With nine tenths of the disk taken."""
    disk, filler = shutil.disk_usage(home), home / "filler"
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, int(disk.total * 0.9) - disk.used)
    try:
        yield
    finally:
        filler.unlink()


def _fill_history(home: Path, tasks: int) -> None:
    """Adds tasks to what luigid has seen."""
    with closing(sqlite3.connect(home / "luigid/history.db")) as database:
        for statement in HISTORY:
            database.execute(TASKS.format(tasks) + statement)
        database.commit()


def _pages(home: Path) -> list[float]:
    """Seconds of the page with what ran, five times."""
    found = _services(home)
    headers = urllib3.make_headers(basic_auth=f"{config.LUIGID_USER}:{found['luigid_password']}")
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        assert urllib3.request("GET", f"{found['luigid_url']}/history", headers=headers).status == 200
        seconds.append(time.perf_counter() - started)
    return seconds


if __name__ == "__main__":
    main()
