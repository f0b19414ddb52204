"""How Luigi's worker runs our tasks.

With two workers or more Luigi forks a process for each task. On an ordinary day most tasks move no row or a handful,
and then the fork and what it cannot share with its parent (connections, copied pages) cost more than the work. So a
task that is small by nature runs in the worker itself, as all tasks do with one worker.
"""

import gc
import os
from typing import Any

import luigi
from luigi.worker import Worker

_create_task_process = Worker._create_task_process


def _create(worker: Worker, task: luigi.Task) -> Any:
    process = _create_task_process(worker, task)
    process.use_multiprocessing = process.use_multiprocessing and not getattr(task, "is_small", False)
    return process


def run_small_tasks_in_the_worker() -> None:
    """Has Luigi fork for the tasks alone that are worth it, and keep the pages that such a fork shares shared."""
    Worker._create_task_process = _create
    # What the garbage collector never looks at, it never writes to.
    os.register_at_fork(before=gc.freeze)
