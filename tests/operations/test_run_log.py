"""The run log has a row for every run of a task, also for one that died with its process or its command."""

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from support import shop
from support.databases import LOCKS_WAITED_FOR
from support.loads import create_warehouse
from support.world import World

from pipeline.kernel import locks, postgres
from pipeline.tasks.extract_table import ExtractTable
from pipeline.tasks.runtime import run_log

RUNS = "select status, error, finished >= started from etl.task_run where params ->> 'table' = 'ops.orders'"
DATE = shop.date(1)
LOAD = ("DailyWarehouseLoad", "--date", str(DATE))
TASK_FAILED = 30


@pytest.fixture
def opened(world: World) -> World:
    """A shop, and a warehouse that was never loaded."""
    shop.open_shop(world)
    world.luigi("CreateWarehouse")
    return world


@contextmanager
def held(world: World, name: str) -> Iterator[None]:
    """Somebody else has the lock of that name, for which a task then waits."""
    with postgres.session(world.warehouse_url, "tests") as cursor:
        locks.lock_session(cursor, name)
        yield


def test_a_task_whose_process_is_killed_is_recorded_and_said_to_have_been_killed(opened: World) -> None:
    with held(opened, f"extract ops.orders {DATE}"):
        process = opened.start(*LOAD, "--workers", "2")
        assert process.stdout
        running = (re.search(r"\[pid (\d+)\].* running +ExtractTable\(.*ops\.orders", line) for line in process.stdout)
        os.kill(next(int(found[1]) for found in running if found), signal.SIGKILL)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == TASK_FAILED, output
    [(status, error, is_ordered)] = opened.warehouse(RUNS)
    assert (status, is_ordered) == ("failed", True)
    assert error.startswith("cannot finish ExtractTable, because its process died unexpectedly with exit code -9; ")
    assert f"First failed ExtractTable({DATE}, ops.orders):\n    {error}" in output


@pytest.mark.parametrize(
    ("number", "why"), [(signal.SIGINT, "it was interrupted"), (signal.SIGTERM, "it was told to stop (SIGTERM)")]
)
def test_a_task_that_runs_when_its_command_is_stopped_is_recorded(opened: World, number: int, why: str) -> None:
    with held(opened, f"extract ops.orders {DATE}"):
        process = opened.start("ExtractTable", "--table", "ops.orders", "--date", str(DATE))
        while opened.warehouse(LOCKS_WAITED_FOR) == [(0,)]:
            assert process.poll() is None
        process.send_signal(number)
        if number == signal.SIGTERM:  # ends what waits; after SIGINT, Python waits for the statement
            process.communicate(timeout=60)
    output, _ = process.communicate(timeout=60)
    assert process.returncode not in (0, TASK_FAILED)
    assert opened.warehouse(RUNS) == [
        (
            "failed",
            "cannot finish ExtractTable, because its command was interrupted; run the same command again",
            True,
        )
    ]
    lines = output.rpartition("\n\n")[2].splitlines()
    assert lines[0].startswith("The command did not finish: ")
    assert f"It was cut short: {why}" in lines
    assert "bin/luigi --module pipeline ExtractTable" in lines[-1]


def test_a_failure_is_recorded_though_the_connection_was_lost_with_the_task(opened: World) -> None:
    kill = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'oceanrecords warehouse'"
    with held(opened, "stage.orders"):
        process = opened.where(OCEAN_RETRIES="0").start(*LOAD)
        while opened.warehouse(f"{kill} and wait_event_type = 'Lock' and datname = current_database()") == []:
            assert process.poll() is None
        output, _ = process.communicate(timeout=60)
    assert process.returncode == TASK_FAILED, output
    [error] = [error for status, error, _ in opened.warehouse(RUNS) if status == "failed"]
    assert error.startswith("cannot finish a statement in the warehouse database, because")


def test_a_run_is_recorded_though_its_connection_was_lost_since(world: World) -> None:
    create_warehouse(world)
    task = ExtractTable(DATE, table="ops.orders")
    run_log.started(task)
    with postgres.transaction(world.warehouse_url, "warehouse") as cursor:
        pid = postgres.value(cursor, "select pg_backend_pid()")
    assert world.warehouse("select pg_terminate_backend(%s, 60000)", (pid,)) == [(True,)]
    run_log.succeeded(task)
    assert world.warehouse(RUNS) == [("done", None, True)]
