"""A database server that is full, restarted, or held up by somebody else's lock."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import cycle
from pathlib import Path

import pytest
from support.databases import admin_url, database_of
from support.world import World

from faults.disturbed import FAULTS, SECONDS, Case, Process, Tally, disturb, pid_of, wait_for
from pipeline import services
from pipeline.kernel import postgres

FULL, RESTARTS = max(1, FAULTS // 10), max(1, FAULTS // 10)
KILL = "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s and application_name like 'ocean%%'"
WAITS = "select exists (select from pg_locks where not granted and relation = 'dwh.fact_order'::regclass)"
HOLDER = """
import os, psycopg2
connection = psycopg2.connect(os.environ["URL"])
connection.cursor().execute("lock table dwh.fact_order in access exclusive mode")
print("held", flush=True)
input()
"""


@pytest.mark.parametrize("database", ["operational", "warehouse"])
def test_a_database_without_a_connection_to_spare_is_waited_for_or_the_next_run_fixes_it(
    first_load: Case, services_home: Path, database: str, tally: Tally
) -> None:
    worlds: list[World] = []
    is_short = cycle([True, False] if database == "warehouse" else [False, True])

    def start() -> World:
        worlds.append(first_load.start().where(OCEAN_RETRIES="2"))
        return worlds[-1]

    def fill(process: Process) -> bool:
        with full(services_home, getattr(worlds[-1], f"{database}_url")) as refused:
            if next(is_short):
                wait_for(lambda: refused() or process.poll() is not None, process)
            else:
                process.communicate(timeout=SECONDS)
            was_hit = refused()
        output, _ = process.communicate(timeout=SECONDS)
        # Who only lost a connection, and needed no other one before the end, was refused none.
        said = "too many connections for database" in output or "the connection was lost" in output
        assert not was_hit or process.returncode == 0 or said, output
        return was_hit

    disturb(replace(first_load, start=start), FULL, fill, tally)


@contextmanager
def full(home: Path, url: str) -> Iterator[Callable[[], bool]]:
    """No connection to a database is left, and none is to be had; tells whether somebody was refused one."""
    database = database_of(url)
    words = f'too many connections for database "{database}"'
    log = home / "log" / "postgresql.log"
    before = log.read_text().count(words)
    with postgres.session(admin_url(home), "tests") as cursor:
        cursor.execute(f"alter database {database} connection limit 0")
        cursor.execute(KILL, (database,))
        try:
            yield lambda: log.read_text().count(words) > before
        finally:
            cursor.execute(f"alter database {database} connection limit -1")


def test_a_server_that_is_restarted_costs_nothing(case: Case, services_home: Path, tally: Tally) -> None:
    def restart(process: Process) -> bool:
        os.kill(pid_of(services_home, "postgresql"), signal.SIGINT)  # a fast shutdown
        services.up(services_home)
        process.communicate(timeout=SECONDS)
        return True

    disturb(case, RESTARTS, restart, tally)


@pytest.mark.parametrize("end", ["lets_go", "dies"])
def test_a_load_waits_for_who_holds_a_table_until_he_ends(later_load: Case, end: str, tally: Tally) -> None:
    world = later_load.start()
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER],
        env={**os.environ, "URL": world.warehouse_url},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdin
    assert holder.stdout
    assert holder.stdout.readline() == "held\n"
    process = world.start(*later_load.words)
    wait_for(lambda: world.warehouse(WAITS) == [(True,)], process)
    if end == "dies":
        holder.kill()
    holder.communicate("\n" if end == "lets_go" else None)
    output, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, output
    tally.count("faults")
    tally.compare(world, later_load.checksum)
