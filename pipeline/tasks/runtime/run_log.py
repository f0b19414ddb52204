"""Writes etl.task_run: a row for every run of every task, including those that fail, die or cannot be scheduled."""

import json
import logging
import re
from collections.abc import Mapping

import luigi

from pipeline.kernel import clock, postgres
from pipeline.kernel.config import settings
from pipeline.kernel.errors import OceanError, TaskDied, Transient

logger = logging.getLogger("luigi-interface")


@luigi.Task.event_handler(luigi.Event.START)
def started(task: luigi.Task) -> None:
    """Records the start time of a task, and clears the error of an earlier run of the same object."""
    task.started, task.error = clock.now(), None


@luigi.Task.event_handler(luigi.Event.SUCCESS)
def succeeded(task: luigi.Task) -> None:
    """Records a task that ended. A task that held back its error counts as failed."""
    _record(task, task.error)


@luigi.Task.event_handler(luigi.Event.FAILURE)
def failed(task: luigi.Task, error: Exception) -> None:
    """Records a task that failed, and why."""
    _record(task, error)


@luigi.Task.event_handler(luigi.Event.PROCESS_FAILURE)
def died(task: luigi.Task, message: str) -> None:
    """Records a task whose process was killed."""
    _lost(task, message, "see whether the machine ran out of memory (`dmesg`), and run the same command again")


@luigi.Task.event_handler(luigi.Event.TIMEOUT)
def timed_out(task: luigi.Task, message: str) -> None:
    """Records a task that was killed because it took too long."""
    _lost(task, message, "give it more time ([worker] timeout in luigi.cfg), and run the same command again")


def _lost(task: luigi.Task, message: str, do: str) -> None:
    # The worker may find a process dead more than once before it takes note.
    if not task.error:
        because = re.sub(r"^Task \S+", "its process", message).rstrip(".")
        task.error = TaskDied(f"finish {task.task_family}", because, do)
        _record(task, task.error)


def interrupted(task: luigi.Task) -> TaskDied:
    """Records a task that was running when its command ended, and returns why it did not finish."""
    error = TaskDied(f"finish {task.task_family}", "its command was interrupted", "run the same command again")
    _record(task, error)
    return error


def not_scheduled(family: str, params: Mapping[str, str], reason: str) -> None:
    """Records a task whose state or requirements could not be found out."""
    _write({"task": family, "params": json.dumps(params), "started": clock.now(), "error": reason})


def _record(task: luigi.Task, error: Exception | None) -> None:
    _write(
        {
            "task": task.task_family,
            "params": json.dumps(task.to_str_params()),
            "started": task.started,
            "rows": getattr(task, "rows", None),
            "bytes": getattr(task, "bytes", None),
            "error": str(error) if error else None,
        }
    )


def _write(row: dict[str, object]) -> None:
    row = {"rows": None, "bytes": None, "status": "failed" if row["error"] else "done"} | row
    try:
        try:
            _insert(row)
        except Transient:  # the task may have failed with its connection: the log gets a new one
            _insert(row)
    except OceanError as problem:
        # The log must not fail a committed load. Before CreateWarehouse there is no table.
        logger.debug("the run of %s was not recorded: %s", row["task"], problem)


def _insert(row: dict[str, object]) -> None:
    with postgres.transaction(settings().warehouse_url, "warehouse") as cursor:
        cursor.execute(RECORD, row)


# A crash of the server may lose a run here. That matters less than the wait for the disk.
RECORD = """
set local synchronous_commit = off;
insert into etl.task_run (task, params, started, finished, status, rows, bytes, error)
values (%(task)s, %(params)s, %(started)s, clock_timestamp(), %(status)s, %(rows)s, %(bytes)s, %(error)s)
"""
