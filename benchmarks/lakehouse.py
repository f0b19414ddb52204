"""`python -m benchmarks.lakehouse`: the star on the lake beside the one in PostgreSQL, with Spark on this machine.

A large source from a generator, in services of the benchmark's own, which are removed at the end: the first load of
both stars, then days of the same number of new orders and prices, whatever the size of the shop. Prints seconds, the
largest memory of Spark's process, and at the end that both stars are equal. With --star lake the star is on the lake
alone, and a load is all of DailyWarehouseLoad. Iceberg's runtime and PostgreSQL's driver are named by
OCEAN_LAKEHOUSE_JARS; `make lakehouse` builds the rest.

    OCEAN_LAKEHOUSE_JARS=iceberg.jar,postgresql.jar .venv/bin/python -m benchmarks.lakehouse --orders 1000000 \
        --generator 'python ../shared/peers/gen.py'
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks import events
from benchmarks.run import load
from pipeline.operations import summary

BETWEEN_LOOKS = 0.2  # seconds


def main() -> None:
    """Measures, and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=100_000, help="size of the shop")
    parser.add_argument("--generator", required=True, help="command that fills the database OPERATIONAL_URL")
    parser.add_argument("--days", type=int, default=3, help="days after the first load")
    parser.add_argument("--memory", default="2g", help="the heap of Spark")
    parser.add_argument("--star", choices=("both", "lake"), default="both", help="where the star is")
    arguments = parser.parse_args()
    with events.own_services() as home:
        os.environ |= {
            "OCEAN_SPARK_DRIVER_MEMORY": arguments.memory,
            "OCEAN_LAKEHOUSE_WAREHOUSE": f"file://{home}/iceberg",
        }
        _measure(home, arguments)


def _measure(home: Path, arguments: argparse.Namespace) -> None:
    generator, lines = arguments.generator, []
    once = _alone if arguments.star == "lake" else _both
    events.generate(generator, "init", "--orders", arguments.orders, "--products", events.PRODUCTS)
    events.change(events.roles())
    lines.append(_line("first load", [once()]))
    days = []
    for _ in range(arguments.days):
        events.generate(generator, "day", "--new", events.NEW_ORDERS, "--repriced", events.NEW_PRICES)
        days.append(once())
    lines.append(_line(f"a day (median of {arguments.days})", days))
    lines.append(_line("the same date again", [once()]))
    print(summary.table(["", "PostgreSQL, s", "lake, s", "Spark's memory, MB"], lines), flush=True)
    size = sum(path.stat().st_size for path in (home / "iceberg").rglob("*") if path.is_file())
    print(f"tables of Iceberg: {size / 1e6:,.0f} MB")
    if arguments.star == "both":
        print(_luigi("ReconcileStar")[2])


def _alone() -> tuple[float, float, float]:
    os.environ["OCEAN_STAR"] = "lake"
    seconds, memory, _ = _luigi("DailyWarehouseLoad")
    return 0.0, seconds, memory


def _both() -> tuple[float, float, float]:
    start = time.perf_counter()
    load(events.newest(), 1, 2)
    middle = time.perf_counter()
    seconds, memory, _ = _luigi("LoadLakeStar")
    return middle - start, seconds, memory


def _line(name: str, measured: list[tuple[float, float, float]]) -> list[str]:
    postgresql, lake, _ = map(statistics.median, zip(*measured, strict=True))
    memory = max(each[2] for each in measured)
    return [name, f"{postgresql:.2f}" if postgresql else "-", f"{lake:.1f}", f"{memory / 1e6:,.0f}"]


def _luigi(task: str) -> tuple[float, float, str]:
    """Runs a task for the newest date: seconds, the largest memory of a Java below it, and what it printed."""
    command = [Path(sys.executable).parent / "luigi", "--module", "pipeline", task, "--date", str(events.newest())]
    start, memory = time.perf_counter(), 0.0
    with tempfile.TemporaryFile("w+") as said:
        process = psutil.Popen(
            [*map(str, command), "--local-scheduler", "--workers", "2"], stdout=said, stderr=subprocess.STDOUT
        )
        while process.poll() is None:
            for child in process.children(recursive=True):
                try:
                    memory = max(memory, child.memory_info().rss if child.name() == "java" else 0)
                except psutil.NoSuchProcess:
                    continue
            time.sleep(BETWEEN_LOOKS)
        said.seek(0)
        text = said.read()
    if process.returncode:
        raise SystemExit(text)
    return time.perf_counter() - start, memory, text


if __name__ == "__main__":
    main()
