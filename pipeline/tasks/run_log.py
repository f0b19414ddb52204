"""Writes etl.task_run: a row for every run of every task, also of those that fail."""

import datetime as dt
import json
import logging

import luigi

from pipeline import postgres
from pipeline.config import settings
from pipeline.errors import OceanError

logger = logging.getLogger("luigi-interface")


@luigi.Task.event_handler(luigi.Event.START)
def started(task: luigi.Task) -> None:
    """Notes when a task began."""
    task.started = dt.datetime.now(dt.UTC)


@luigi.Task.event_handler(luigi.Event.SUCCESS)
def succeeded(task: luigi.Task) -> None:
    """Records a task that ended; one that held back its error counts as failed."""
    _record(task, getattr(task, "error", None))


@luigi.Task.event_handler(luigi.Event.FAILURE)
def failed(task: luigi.Task, error: Exception) -> None:
    """Records a task that failed, and why."""
    _record(task, error)


def _record(task: luigi.Task, error: Exception | None) -> None:
    row = {
        "task": task.task_family,
        "params": json.dumps(task.to_str_params()),
        "started": task.started,
        "status": "failed" if error else "done",
        "rows": getattr(task, "rows", None),
        "bytes": getattr(task, "bytes", None),
        "error": str(error) if error else None,
    }
    try:
        with postgres.transaction(settings().warehouse_url, "warehouse") as cursor:
            cursor.execute(RECORD, row)
    except OceanError as problem:
        # The log is no reason to fail a load that is committed; before CreateWarehouse has run there is no table.
        logger.debug("the run of %s was not recorded: %s", task, problem)


# A run that is missing here after a crash of the server is no loss; waiting for the disk would be.
RECORD = """
set local synchronous_commit = off;
insert into etl.task_run (task, params, started, finished, status, rows, bytes, error)
values (%(task)s, %(params)s, %(started)s, clock_timestamp(), %(status)s, %(rows)s, %(bytes)s, %(error)s)
"""
