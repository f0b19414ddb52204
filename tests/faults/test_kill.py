"""Loads that are killed at random moments and run again end in the same warehouse as one that was left alone.

So do those whose database server, S3 or luigid is killed. The moments are seeded fractions of the time that an
undisturbed load takes.
"""

import contextlib
import os
import re
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from support.world import luigid

from faults.disturbed import FAULTS, SECONDS, TASK_FAILED, Case, Process, Tally, disturb, kill_command, pid_of
from pipeline import services

COMMAND_KILLS, SERVER_KILLS, S3_KILLS, LUIGID_KILLS = FAULTS // 2, FAULTS // 5, FAULTS // 5, FAULTS // 5


def test_a_load_killed_at_any_moment_ends_in_the_same_warehouse(case: Case, tally: Tally) -> None:
    disturb(case, COMMAND_KILLS, kill_command, tally)


def test_a_load_whose_database_server_is_killed_fails_and_ends_in_the_same_warehouse(
    case: Case, services_home: Path, tally: Tally
) -> None:
    disturb(case, SERVER_KILLS, killer(services_home, "postgresql"), tally)


def test_a_load_whose_s3_is_killed_ends_in_the_same_warehouse(
    first_load: Case, services_home: Path, tally: Tally
) -> None:
    patient = replace(first_load, start=lambda: first_load.start().where(OCEAN_RETRIES="1"))
    random = Random("back soon")
    disturb(patient, S3_KILLS, killer(services_home, "s3", back_soon=lambda: random.random() < 0.5), tally)


def test_a_load_whose_luigid_is_killed_says_so_and_ends_in_the_same_warehouse(
    first_load: Case, services_home: Path, tally: Tally
) -> None:
    says = "It was cut short: luigid does not answer any more; start it again (`make up`)"
    disturb(first_load, LUIGID_KILLS, killer(services_home, "luigid", says=says), tally, local=False)


def test_what_a_killed_command_was_running_is_soon_free_for_the_next_one(first_load: Case, tally: Tally) -> None:
    world = first_load.start()
    process = world.start(*first_load.words, local=False)
    assert process.stdout
    assert any("running   ExtractTable" in line for line in process.stdout)
    assert kill_command(process)
    scheduler = luigid(world.home)
    deadline = time.monotonic() + SECONDS / 2
    while scheduler.task_list("RUNNING", ""):
        assert time.monotonic() < deadline, "luigid still believes that they run"
        scheduler.get_work(worker="nobody")  # which is when it looks who has died
        time.sleep(0.2)
    process = world.start(*first_load.words, local=False)
    output, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, output
    tally.count("faults")
    tally.count("reruns")
    tally.compare(world, first_load.checksum)


def killer(
    home: Path, service: str, *, back_soon: Callable[[], bool] = lambda: False, says: str = ""
) -> Callable[[Process], bool]:
    """What kills a service, which is back once the command has ended, or at once; and what the command then says."""

    def kill_service(process: Process) -> bool:
        os.kill(pid_of(home, service), signal.SIGKILL)
        if back_soon():
            services.up(home)
        output, _ = process.communicate(timeout=60)
        services.up(home)
        assert process.returncode == 0 or says in output, output
        return True

    return kill_service


# Once there is a first load only the longest tasks have a process of their own; a dimension's is the command.
FORKED = [
    *(("first_load", task) for task in ("ExtractTable", "LoadStage", "LoadDimension", "LoadFact")),
    *(("later_load", task) for task in ("ExtractTable", "LoadStage", "LoadFact")),
]


@pytest.mark.parametrize(("case", "task"), FORKED, indirect=["case"])
def test_a_killed_worker_fails_the_command_and_the_next_run_makes_up_for_it(
    case: Case, task: str, tally: Tally
) -> None:
    world = case.start()
    process = world.start(*case.words)
    assert process.stdout
    running = (re.search(rf"\[pid (\d+)\].* running +{task}\(", line) for line in process.stdout)
    worker = next(int(found[1]) for found in running if found and int(found[1]) != process.pid)
    with contextlib.suppress(ProcessLookupError):
        os.kill(worker, signal.SIGKILL)
    output, _ = process.communicate(timeout=60)
    was_hit = "died unexpectedly with exit code -9" in output  # else it was quicker
    assert process.returncode == (TASK_FAILED if was_hit else 0), output
    tally.count("faults", was_hit)
    tally.count("reruns")
    world.luigi(*case.words)
    tally.compare(world, case.checksum)
