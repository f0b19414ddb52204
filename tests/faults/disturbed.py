"""Loads that are disturbed at random moments, and the warehouse in which they must end all the same."""

import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from support.commands import Process as Process
from support.commands import kill
from support.databases import database_of, drop_database
from support.world import LAST, World

from pipeline import services

# The seeded random cases of a kind: few in `make test`, a hundred in `make nightly`.
FAULTS = int(os.environ.get("OCEAN_TEST_KILLS", "10"))
LOAD = ("DailyWarehouseLoad", "--date", str(LAST), "--workers", "2")
TASK_FAILED = 30
SECONDS = 120  # that anything awaited may take
Checksum = dict[str, tuple[int, str]]


@dataclass(frozen=True)
class Tally:
    """What a test did. The figures of all tests are printed at the end of a run."""

    counts: dict[str, int]

    def count(self, what: str, number: int = 1) -> None:
        """Adds to a figure: faults (that hit), reruns, compared (warehouses), different."""
        self.counts[what] = self.counts.get(what, 0) + number

    def compare(self, world: World, checksum: Checksum) -> None:
        """Fails where a warehouse is not the one that was left alone, and takes it away: there are hundreds a night."""
        found = world.checksum()
        self.count("compared")
        self.count("different", found != checksum)
        assert found == checksum
        drop_database(world.home, database_of(world.warehouse_url))


@dataclass(frozen=True)
class Case:
    """A load to disturb: where it starts, how long it takes with nothing and with all to do, and where it must end.

    `world` was left alone.
    """

    name: str
    world: World
    start: Callable[[], World]
    words: tuple[str, ...]
    at_rest: float
    seconds: float
    checksum: Checksum


def undisturbed(
    name: str, start: Callable[[], World], words: tuple[str, ...] = LOAD, before: Callable[[World], None] | None = None
) -> Case:
    """The case of a load, after it was left alone in a world of its own."""
    world = start()
    if before:
        before(world)
    seconds, at_rest = _timed(world, words), _timed(world, words)
    return Case(name, world, start, words, at_rest, seconds, world.checksum())


def _timed(world: World, words: tuple[str, ...]) -> float:
    started = time.monotonic()
    world.luigi(*words)
    return time.monotonic() - started


def disturb(
    case: Case,
    faults: int,
    hit: Callable[[Process], Any],
    tally: Tally,
    *,
    local: bool = True,
    before: Callable[[World], None] | None = None,
) -> None:
    """Starts loads again and again, each hit in the middle; every world is loaded to its end and compared.

    `hit` returns once the command has ended; what it returns says whether the fault counts.
    """
    random = Random(f"{case.name} {hit.__name__}")
    while faults:
        world, done = case.start(), False
        if before:
            before(world)
        while faults and not done:
            process = world.start(*case.words, local=local)
            try:
                output, _ = process.communicate(timeout=random.uniform(case.at_rest, case.seconds))
                assert process.returncode == 0, output
            except subprocess.TimeoutExpired:
                struck = bool(hit(process))
                tally.count("faults", struck)
                faults -= struck
            done = process.returncode == 0
            tally.count("reruns", not done)
        world.luigi(*case.words)
        tally.compare(world, case.checksum)


def kill_command(process: Process) -> bool:
    """Kills the command with its workers."""
    kill(process)
    return process.returncode != 0


def pid_of(home: Path, service: str) -> int:
    """The process of an embedded service, which runs."""
    [pid] = [state.pid for state in services.status(home) if state.name == service]
    assert pid
    return pid


def wait_for(condition: Callable[[], Any], process: Process) -> None:
    """Returns once a condition holds, which it must before the command ends."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert process.poll() is None or condition(), process.communicate()[0]
        assert time.monotonic() < deadline, "it never came to pass"
        time.sleep(0.02)
