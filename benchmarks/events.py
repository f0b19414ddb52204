"""`python -m benchmarks.events`: what one event in a dimension costs, beside an ordinary day.

A large source from a generator that takes the words of the example below, in services of the benchmark's own, which are
removed at the end: the initial load, then days in turn. On each day come the same numbers of new orders and new prices,
whatever the size of the shop. To some days comes an event: an address gets another country, the status of most orders
becomes lost or is not lost any more, a product gets another subtype. Prints the medians, as ratios too, and how many
orders the mart counted. CPU is that of the command and of PostgreSQL: on a machine that others use it tells more.

    .venv/bin/python -m benchmarks.events --orders 1000000 --generator 'python ../shared/peers/gen.py'
"""

import argparse
import datetime as dt
import os
import resource
import shlex
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

import psutil

from benchmarks.run import load
from pipeline import services
from pipeline.kernel import config, postgres
from pipeline.operations import summary

PRODUCTS, NEW_ORDERS, NEW_PRICES = 10_000, 2_740, 200
# Each is an update of the source on a day; %(number)s differs from day to day.
EVENTS = {
    "an ordinary day": "",
    "an address moves": "update ops.addresses set country = 'Canada', updated_ts = %(at)s "
    "where address_id = %(number)s",
    "a status is lost": "update ops.order_statuses set is_lost = not is_lost, updated_ts = %(at)s "
    "where name = 'delivered'",
    "a product moves": "update ops.products set product_subtype_id = 1 + product_subtype_id %% 60, updated_ts = %(at)s "
    "where product_id = %(number)s",
}
COUNTED = (
    "select rows from etl.task_run where task = 'LoadMart' and params ->> 'date' = %s order by started desc limit 1"
)


def main() -> None:
    """Measures, and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=100_000, help="size of the shop")
    parser.add_argument("--generator", required=True, help="command that fills the database OPERATIONAL_URL")
    parser.add_argument("--rounds", type=int, default=3, help="days of each kind")
    parser.add_argument("--workers", type=int, default=2, help="Luigi's --workers")
    arguments = parser.parse_args()
    with own_services() as home:
        _measure(home, arguments)


@contextmanager
def own_services() -> Iterator[Path]:
    """The state folder of running services that the source of a generator is loaded with, removed at the end."""
    home = Path(tempfile.mkdtemp(prefix="ocean-bench-"))
    home.chmod(0o711)
    # Checks and comparisons of everything have days of their own.
    alone = {"OCEAN_SIMULATE": "0", "OCEAN_CHECK_WHOLE_DAYS": "0", "OCEAN_RECONCILE_DAYS": "0"}
    os.environ |= alone | {"OCEAN_HOME": str(home)}
    try:
        services.up(home)
        yield home
    finally:
        services.down(home)
        shutil.rmtree(home, ignore_errors=True)


def _measure(home: Path, arguments: argparse.Namespace) -> None:
    generator = arguments.generator
    generate(generator, "init", "--orders", arguments.orders, "--products", PRODUCTS)
    change(roles())
    seconds, cpu, _ = _day(home, arguments.workers)
    print(f"the initial load of {arguments.orders:,} orders: {seconds:.1f} s, {cpu:.1f} s of CPU", flush=True)
    found: dict[str, list[tuple[float, ...]]] = {event: [] for event in EVENTS}
    for number in range(arguments.rounds + 1):
        for event, update in EVENTS.items():
            generate(generator, "day", "--new", NEW_ORDERS, "--repriced", NEW_PRICES)
            if update:
                change(update, at=f"{newest()} 12:00:00+00", number=PRODUCTS // 2 + number)
            measured = _day(home, arguments.workers)
            if number:  # the first of each kind pays for what only the first one does
                found[event].append(measured)
    medians = {event: list(map(statistics.median, zip(*days, strict=True))) for event, days in found.items()}
    usual = next(iter(medians.values()))
    lines = [
        [
            event,
            f"{day[0]:.2f}",
            f"{day[0] / usual[0]:.2f}",
            f"{day[1]:.2f}",
            f"{day[1] / usual[1]:.2f}",
            f"{day[2]:,.0f}",
        ]
        for event, day in medians.items()
    ]
    print(summary.table(["", "seconds", "ratio", "CPU", "ratio", "orders counted"], lines))


def _day(home: Path, workers: int) -> tuple[float, float, int]:
    """Loads the newest day of the source: seconds, CPU seconds, and how many orders the mart counted."""
    for url, name in ((config.settings().simulator_url, "simulator"), (config.settings().warehouse_url, "warehouse")):
        with postgres.session(url, name) as cursor:
            cursor.execute("vacuum analyze")
    date = newest()
    start, before = time.perf_counter(), _cpu(home)
    load(date, 1, workers)
    seconds, cpu = time.perf_counter() - start, _cpu(home) - before
    with postgres.session(config.settings().warehouse_url, "warehouse") as cursor:
        return seconds, cpu, postgres.value(cursor, COUNTED, (str(date),))


def _cpu(home: Path) -> float:
    """CPU seconds of PostgreSQL, and of commands that this process ran."""
    [pid] = [state.pid for state in services.status(home) if state.name == "postgresql"]
    server, commands = psutil.Process(pid), resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds: float = sum(server.cpu_times()[:4]) + commands.ru_utime + commands.ru_stime
    for child in server.children():
        try:
            seconds += sum(child.cpu_times()[:2])
        except psutil.NoSuchProcess:
            continue
    return seconds


def generate(generator: str, *words: object) -> None:
    """Runs the generator on the source, as its owner."""
    environment = os.environ | {"OPERATIONAL_URL": config.settings().simulator_url}
    subprocess.run([*shlex.split(generator), *map(str, words)], env=environment, check=True, stdout=subprocess.DEVNULL)


def roles() -> str:
    """The statements that let the extracting role read a shop."""
    return resources.files("pipeline").joinpath("generators/roles.sql").read_text("utf-8")


def newest() -> dt.date:
    """The day of the newest change of the source."""
    with postgres.session(config.settings().simulator_url, "simulator") as cursor:
        found: dt.date = postgres.value(cursor, "select max(updated_ts)::date from ops.orders")
        return found


def change(query: str, **values: object) -> None:
    """Runs a statement in the source, as its owner."""
    with postgres.session(config.settings().simulator_url, "simulator") as cursor:
        cursor.execute(query, values or None)


if __name__ == "__main__":
    main()
