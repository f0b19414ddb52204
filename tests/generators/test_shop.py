"""One shop, however and by whom its days are done."""

import datetime as dt
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.databases import create_source_database, drop_database, login

from pipeline.generators.copying import COLUMNS
from pipeline.generators.shop import LOCK, Simulated, simulate
from pipeline.kernel import locks, postgres
from pipeline.kernel.errors import SimulationError

OPENED = dt.date(2026, 1, 20)
DAYS = 30
LAST = OPENED + dt.timedelta(days=DAYS - 1)
# Tells after each day which one is done, and waits for a word to go on, or for the end of its input.
PROCESS = """
import datetime as dt, sys
from pipeline.generators.shop import simulate

def report(date, done, of):
    print(date, flush=True)
    sys.stdin.readline()

url, last, opened_on = sys.argv[1:]
simulate(url, dt.date.fromisoformat(last), seed=7, scale=0.3, opened_on=dt.date.fromisoformat(opened_on),
         progress=report)
"""


def do(url: str, date: dt.date, *, seed: int = 7, scale: float = 0.3) -> Simulated:
    return simulate(url, date, seed=seed, scale=scale, opened_on=OPENED, progress=None)


def start(url: str, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROCESS, url, str(LAST), str(OPENED)], stdin=stdin, stdout=subprocess.PIPE, text=True
    )


def content(url: str) -> dict[str, list[str]]:
    """All rows of all twelve tables."""
    tables = [table for table in COLUMNS if table.startswith("ops.")]
    with postgres.session(url, "tests") as cursor:
        return {
            table: [row for (row,) in postgres.rows(cursor, f"select t::text from {table} as t order by 1")]
            for table in tables
        }


def marked(url: str) -> list[dt.date]:
    with postgres.session(url, "tests") as cursor:
        query = "select business_date from simulator.business_day order by 1"
        return [date for (date,) in postgres.rows(cursor, query)]


@pytest.fixture(scope="module")
def undisturbed(services_home: Path) -> Iterator[dict[str, list[str]]]:
    """What the shop holds when its days were done in one call."""
    create_source_database(services_home, "undisturbed")
    url = login(services_home, "simulator_url", "undisturbed")
    assert do(url, LAST).days == DAYS
    yield content(url)
    drop_database(services_home, "undisturbed")


def test_the_same_days_in_one_call_and_one_by_one_give_the_same_shop(
    simulator_url: str, undisturbed: dict[str, list[str]]
) -> None:
    rows = [do(simulator_url, OPENED + dt.timedelta(days=day)).rows for day in range(DAYS)]
    assert content(simulator_url) == undisturbed
    assert rows[0] > rows[1] > 0


def test_two_processes_at_once_do_each_day_once_and_give_the_same_shop(
    simulator_url: str, undisturbed: dict[str, list[str]]
) -> None:
    processes = [start(simulator_url), start(simulator_url)]
    outputs = [process.communicate(timeout=120)[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert sorted(outputs[0] + outputs[1]) == [str(date) for date in marked(simulator_url)]
    assert content(simulator_url) == undisturbed


def test_a_killed_simulation_leaves_whole_days_and_goes_on_to_the_same_shop(
    simulator_url: str, undisturbed: dict[str, list[str]]
) -> None:
    for days_before in range(1, 4):
        killed = start(simulator_url, subprocess.PIPE)
        assert killed.stdin
        assert killed.stdout
        for _ in range(days_before):
            killed.stdout.readline()
            print(file=killed.stdin, flush=True)
        killed.kill()  # it had just begun another day
        killed.communicate()
        with postgres.transaction(simulator_url, "tests") as cursor:
            locks.lock(cursor, LOCK)  # the server has noticed
            last_order = postgres.value(cursor, "select max(created_ts) from ops.orders")
        days = marked(simulator_url)
        assert last_order.date() == days[-1]
    assert 6 <= len(days) <= 9
    assert do(simulator_url, LAST).days == DAYS - len(days)
    assert content(simulator_url) == undisturbed


def test_running_again_does_nothing(simulator_url: str) -> None:
    first = do(simulator_url, OPENED + dt.timedelta(days=2))
    before = content(simulator_url)
    assert (first.days, do(simulator_url, OPENED + dt.timedelta(days=2))) == (3, Simulated(0, 0))
    assert do(simulator_url, OPENED) == Simulated(0, 0)
    assert content(simulator_url) == before


def test_a_date_before_the_opening_has_no_business(simulator_url: str) -> None:
    assert do(simulator_url, OPENED - dt.timedelta(days=1)) == Simulated(0, 0)
    assert marked(simulator_url) == []
    assert not any(content(simulator_url).values())
    assert do(simulator_url, OPENED).days == 1


def test_without_an_opening_day_the_shop_opens_on_the_first_date_and_remembers(simulator_url: str) -> None:
    for later in (0, 2):
        simulate(simulator_url, OPENED + dt.timedelta(later), seed=7, scale=0.3, opened_on=None, progress=None)
    assert marked(simulator_url) == [OPENED + dt.timedelta(days=day) for day in range(3)]


@pytest.mark.parametrize(("seed", "scale"), [(8, 0.3), (7, 0.5)])
def test_another_seed_or_scale_is_refused(simulator_url: str, seed: int, scale: float) -> None:
    do(simulator_url, OPENED)
    before = content(simulator_url)
    with pytest.raises(SimulationError, match=r"opened with seed 7 and scale 0\.3"):
        do(simulator_url, LAST, seed=seed, scale=scale)
    assert content(simulator_url) == before


def test_a_database_of_another_shop_is_refused(simulator_url: str) -> None:
    with postgres.session(simulator_url, "tests") as cursor:
        cursor.execute("create schema ops; create table ops.orders (order_id bigint)")
    with pytest.raises(SimulationError, match="belongs to another shop"):
        do(simulator_url, OPENED)


def test_rows_counts_what_was_written_and_progress_hears_each_day(simulator_url: str) -> None:
    heard = []
    done = simulate(
        simulator_url,
        OPENED + dt.timedelta(days=2),
        seed=7,
        scale=0.3,
        opened_on=OPENED,
        progress=lambda *words: heard.append(words),
    )
    assert heard == [(OPENED + dt.timedelta(days=day), day + 1, 3) for day in range(3)]
    with postgres.session(simulator_url, "tests") as cursor:
        assert done.rows == postgres.value(cursor, "select sum(rows_written) from simulator.business_day")
    assert done.rows >= sum(len(rows) for rows in content(simulator_url).values())


def test_scale_multiplies_orders_and_customers(simulator_url: str, undisturbed: dict[str, list[str]]) -> None:
    do(simulator_url, OPENED, scale=0.6)
    first_day = [row for row in undisturbed["ops.orders"] if f'"{OPENED}' in row]
    assert len(content(simulator_url)["ops.orders"]) == pytest.approx(2 * len(first_day), rel=0.5)
    assert len(content(simulator_url)["ops.customers"]) == pytest.approx(900, rel=0.05)
