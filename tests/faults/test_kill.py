"""Loads that are killed at random moments and run again end in the same warehouse as one that was left alone.

The moments are seeded fractions of the time that an undisturbed load takes. Services of this module's own: among
what is killed is the database server.
"""

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest
from support import BEFORE, LAST, SIMULATED, World, Worlds, running_services

from pipeline import services

LOAD = ("DailyWarehouseLoad", "--date", str(LAST), "--workers", "2")
KILLS = int(os.environ.get("OCEAN_TEST_KILLS", "10"))
COMMAND_KILLS, SERVER_KILLS = KILLS // 2, KILLS // 5  # of first loads, and as many of later ones
TASK_FAILED = 30
DONE = f"select count(*) from etl.marker where update_id like 'DailyWarehouseLoad%' and load_date = '{LAST}'"


@dataclass(frozen=True)
class Case:
    """A load to disturb: where it starts, the moments at which it works, and the warehouse it must end in."""

    name: str
    start: Callable[[], World]
    from_second: float
    to_second: float
    checksum: dict[str, tuple[int, str]]


@pytest.fixture(scope="module")
def services_home() -> Iterator[Path]:
    with running_services() as home:
        yield home


@pytest.fixture(scope="module")
def worlds(services_home: Path) -> Worlds:
    return Worlds(services_home, "kill")


@pytest.fixture(scope="module")
def before(worlds: Worlds) -> World:
    """Loaded some days ago; the shop has gone on since."""
    world = worlds.new()
    world.where(**SIMULATED).load(BEFORE)
    world.where(**SIMULATED).luigi("SimulateBusinessDay", "--date", str(LAST))
    return world


@pytest.fixture(scope="module", params=["first_load", "later_load"])
def case(request: pytest.FixtureRequest, worlds: Worlds, before: World) -> Case:
    def start() -> World:
        return worlds.new(before) if request.param == "first_load" else worlds.copy(before)

    undisturbed = start()
    seconds, at_rest = timed_load(undisturbed), timed_load(undisturbed)  # the second one finds nothing to do
    return Case(request.param, start, at_rest, seconds, undisturbed.checksum())


def timed_load(world: World) -> float:
    started = time.monotonic()
    world.luigi(*LOAD)
    return time.monotonic() - started


def test_a_load_killed_at_any_moment_ends_in_the_same_warehouse(case: Case) -> None:
    disturb(case, COMMAND_KILLS, kill_command)


def test_a_load_whose_database_server_is_killed_fails_and_ends_in_the_same_warehouse(
    case: Case, services_home: Path
) -> None:
    def kill_server(process: subprocess.Popen[str]) -> None:
        [postmaster] = [state.pid for state in services.status(services_home) if state.name == "postgresql"]
        assert postmaster
        os.kill(postmaster, signal.SIGKILL)
        process.communicate(timeout=60)
        services.up(services_home)

    disturb(case, SERVER_KILLS, kill_server)


def disturb(case: Case, kills: int, kill: Callable[[subprocess.Popen[str]], None]) -> None:
    """Starts loads again and again, each killed in the middle; every world is loaded to its end and compared."""
    random = Random(f"{case.name} {kill.__name__}")
    while kills:
        world, done = case.start(), False
        while kills and not done:
            process = world.start(*LOAD)
            try:
                output, _ = process.communicate(timeout=random.uniform(case.from_second, case.to_second))
                assert process.returncode == 0, output
            except subprocess.TimeoutExpired:
                kill(process)
            done = process.returncode == 0  # what was done before its time had come does not count
            kills -= not done
            assert not done or world.warehouse(DONE) == [(1,)]
        world.luigi(*LOAD)
        assert world.checksum() == case.checksum


def kill_command(process: subprocess.Popen[str]) -> None:
    """Kills the command with its workers."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


# Once there is a first load only the longest tasks have a process of their own; a dimension's is the command.
FORKED = [
    *(("first_load", task) for task in ("ExtractTable", "LoadStage", "LoadDimension", "LoadFact")),
    *(("later_load", task) for task in ("ExtractTable", "LoadStage", "LoadFact")),
]


@pytest.mark.parametrize(("case", "task"), FORKED, indirect=["case"])
def test_a_killed_worker_fails_the_command_and_the_next_run_makes_up_for_it(case: Case, task: str) -> None:
    world = case.start()
    process = world.start(*LOAD)
    assert process.stdout
    running = (re.search(rf"\[pid (\d+)\].* running +{task}\(", line) for line in process.stdout)
    worker = next(int(found[1]) for found in running if found and int(found[1]) != process.pid)
    with contextlib.suppress(ProcessLookupError):
        os.kill(worker, signal.SIGKILL)
    output, _ = process.communicate(timeout=60)
    was_hit = "died unexpectedly with exit code -9" in output  # else it was quicker
    assert process.returncode == (TASK_FAILED if was_hit else 0), output
    world.luigi(*LOAD)
    assert world.checksum() == case.checksum
