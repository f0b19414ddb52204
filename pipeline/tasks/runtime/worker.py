"""How Luigi's worker runs our tasks.

With two workers or more Luigi forks a process for each task. Once the warehouse has its first load, most tasks move no
row or a handful, and then the fork and what it cannot share with its parent (connections, copied pages) cost more than
the work. So on such a day the tasks run in the worker itself, as all do with one worker, but for the long ones: these
get a process of their own, beside which the worker goes on.
"""

import datetime as dt
import gc
import logging
import os
from functools import cache
from types import TracebackType
from typing import Any

import luigi
from luigi.metrics import MetricsCollectors
from luigi.scheduler import Scheduler
from luigi.worker import Worker

from pipeline.kernel.errors import ConfigError, OceanError
from pipeline.tasks.runtime import under_way
from pipeline.tasks.runtime.command import Command, ObservedScheduler
from pipeline.tasks.runtime.scheduler import Luigid, end
from pipeline.tasks.runtime.targets import has_loads

logger = logging.getLogger("luigi-interface")


class Factory:
    """What Luigi makes of a command's options: its scheduler and its worker. For `worker_scheduler_factory`."""

    def create_local_scheduler(self) -> Scheduler:
        """A scheduler of the command's own, which ends before anybody could ask for its metrics."""
        return Scheduler(prune_on_get_work=True, record_task_history=False, metrics_collector=MetricsCollectors.none)

    def create_remote_scheduler(self, url: str) -> Luigid:
        """The luigid at the URL that Luigi took from its options and settings.

        Where it does not answer, or refuses the password, the command ends with what to do instead of a stack trace.
        """
        try:
            return Luigid.at(url)
        except OceanError as error:
            end(error)

    def create_worker(self, scheduler: Any, worker_processes: int, assistant: bool = False) -> "OceanWorker":
        """Our worker, but no assistant: that would run what others schedule."""
        if assistant:
            end(ConfigError("run as an assistant", "a command runs its own tasks alone", "leave --assistant out"))
        return OceanWorker(scheduler, worker_processes)


class OceanWorker(Worker):
    """Luigi's worker, which forks for the tasks alone that are worth it, and says at the end what became of them."""

    def __init__(self, scheduler: Any, worker_processes: int) -> None:
        self._command = Command()
        under_way.forget()
        super().__init__(scheduler=ObservedScheduler(scheduler, self._command), worker_processes=worker_processes)

    def __enter__(self) -> "OceanWorker":
        # What the garbage collector never looks at, it never writes to, so that a fork shares its page.
        _freeze_at_fork()
        self._command.begin()
        super().__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Any:
        try:
            return super().__exit__(kind, error, trace)
        finally:
            self._command.end(error)

    def _log_complete_error(self, task: luigi.Task, tb: str) -> None:
        if not _log_ours(task, tb):
            super()._log_complete_error(task, tb)

    def _log_dependency_error(self, task: luigi.Task, tb: str) -> None:
        if not _log_ours(task, tb):
            super()._log_dependency_error(task, tb)

    def _create_task_process(self, task: luigi.Task) -> Any:
        process = super()._create_task_process(task)
        # Other tasks than those of a date do not say how long they take.
        in_worker = not getattr(task, "is_long", True) and _is_ordinary(task.date)
        process.use_multiprocessing = process.use_multiprocessing and not in_worker
        self._command.note_start(task)
        return process


def _log_ours(task: luigi.Task, trace: str) -> bool:
    """Logs why a task is not scheduled, if that is an error of ours, which says all in the last line of its trace."""
    kind, _, words = trace.strip().rpartition("\n")[2].partition(": ")
    is_ours = kind.startswith(OceanError.__module__)
    if is_ours:
        logger.error("%s is not scheduled: %s", task, words)
    return is_ours


@cache
def _is_ordinary(_date: dt.date) -> bool:
    """Whether a date is loaded into a warehouse that has its first load: asked once for each date."""
    return has_loads()


@cache
def _freeze_at_fork() -> None:
    os.register_at_fork(before=gc.freeze)
