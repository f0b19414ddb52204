"""How Luigi's worker runs our tasks.

With two workers or more Luigi forks a process for each task. Once the warehouse has its first load, most tasks move no
row or a handful, and then the fork and what it cannot share with its parent (connections, copied pages) cost more than
the work. So on such a day the tasks run in the worker itself, as all do with one worker, but for the long ones: these
get a process of their own, beside which the worker goes on.
"""

import datetime as dt
import gc
import os
from functools import cache
from typing import Any

import luigi
from luigi.worker import Worker

from pipeline.tasks import command
from pipeline.tasks.base import DatedTask
from pipeline.tasks.daily import has_loads

_create_task_process = Worker._create_task_process


def _create(worker: Worker, task: luigi.Task) -> Any:
    process = _create_task_process(worker, task)
    in_worker = isinstance(task, DatedTask) and not task.is_long and _is_ordinary(task.date)
    process.use_multiprocessing = process.use_multiprocessing and not in_worker
    command.begins(task)
    return process


@cache
def _is_ordinary(_date: dt.date) -> bool:
    """Whether a date is loaded into a warehouse that has its first load: asked once for each date."""
    return has_loads()


def run_small_tasks_in_the_worker() -> None:
    """Has Luigi fork for the tasks alone that are worth it, and keep the pages that such a fork shares shared."""
    Worker._create_task_process = _create
    # What the garbage collector never looks at, it never writes to.
    os.register_at_fork(before=gc.freeze)
