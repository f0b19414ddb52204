"""How Luigi's worker runs our tasks.

With two or more workers Luigi forks a process for each task. Once the warehouse has its first load, most tasks move no
row or a handful. Then the fork costs more than the work, because connections and copied pages cannot be shared with
the parent. So on such a day tasks run in the worker itself, as they all do with one worker. Only long tasks get a
process of their own, and the worker continues meanwhile.
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
    """Makes the scheduler and the worker from a command's options. For Luigi's `worker_scheduler_factory`."""

    def create_local_scheduler(self) -> Scheduler:
        """A scheduler for this command alone, which ends before anybody could ask for its metrics."""
        return Scheduler(prune_on_get_work=True, record_task_history=False, metrics_collector=MetricsCollectors.none)

    def create_remote_scheduler(self, url: str) -> Luigid:
        """The luigid at the URL that Luigi took from its options and settings.

        If it does not answer or refuses the password, ends the command with advice instead of a stack trace.
        """
        try:
            return Luigid.at(url)
        except OceanError as error:
            end(error)

    def create_worker(self, scheduler: Any, worker_processes: int, assistant: bool = False) -> "OceanWorker":
        """Our worker. Ends the command with --assistant, because an assistant runs tasks that others schedule."""
        if assistant:
            end(ConfigError("run as an assistant", "a command runs its own tasks alone", "leave --assistant out"))
        return OceanWorker(scheduler, worker_processes)


class OceanWorker(Worker):
    """Luigi's worker, but it forks only for long tasks, and at the end reports the results of all."""

    def __init__(self, scheduler: Any, worker_processes: int) -> None:
        self._command = Command()
        under_way.forget()
        super().__init__(scheduler=ObservedScheduler(scheduler, self._command), worker_processes=worker_processes)

    def __enter__(self) -> "OceanWorker":
        # The garbage collector writes to objects that it looks at. Frozen ones keep their pages shared after a fork.
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
        # Only tasks of a date tell whether they take long.
        in_worker = not getattr(task, "is_long", True) and _is_ordinary(task.date)
        process.use_multiprocessing = process.use_multiprocessing and not in_worker
        self._command.note_start(task)
        return process


def _log_ours(task: luigi.Task, trace: str) -> bool:
    """Logs why a task is not scheduled, if one of our errors tells it in the last line of the trace."""
    kind, _, words = trace.strip().rpartition("\n")[2].partition(": ")
    is_ours = kind.startswith(OceanError.__module__)
    if is_ours:
        logger.error("%s is not scheduled: %s", task, words)
    return is_ours


@cache
def _is_ordinary(_date: dt.date) -> bool:
    """Whether a date is loaded into a warehouse that has its first load. Asks once for each date."""
    return has_loads()


@cache
def _freeze_at_fork() -> None:
    os.register_at_fork(before=gc.freeze)
