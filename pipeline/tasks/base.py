"""The base classes of the tasks of a date."""

import contextlib
import datetime as dt
import functools
import html
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import Any

import luigi
from luigi.rpc import RPCError

from pipeline.catalog import SOURCE_TABLES
from pipeline.kernel import postgres, writes
from pipeline.kernel.config import settings
from pipeline.kernel.errors import OceanError, printable, reason
from pipeline.kernel.postgres import Cursor
from pipeline.kernel.retries import patiently
from pipeline.tasks.runtime import live, seam, under_way
from pipeline.tasks.runtime.day_parameter import day_parameter
from pipeline.tasks.runtime.targets import Marker

logger = logging.getLogger("luigi-interface")


class OceanTask(luigi.Task):
    """A task that runs with our worker and scheduler, even if another program builds it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        seam.require()
        super().__init__(*args, **kwargs)


class DatedTask(OceanTask):
    """A task of one date (UTC). `rows` and `bytes` count the data that its run moved, for run log and summary."""

    date = day_parameter(description="the day whose changes are loaded, YYYY-MM-DD (UTC)")

    rows: int | None = None
    bytes: int | None = None
    # A failure that must not stop the tasks after this one.
    error: Exception | None = None

    @classmethod
    def bulk_complete(cls, dates: Iterable[dt.date]) -> list[dt.date]:
        """The dates that are done, for RangeDaily."""
        return [date for date in dates if cls(date).complete()]

    def say(
        self,
        message: str,
        percentage: float | None = None,
        *,
        every: float = 0,
        rows: int | None = None,
        of: int | None = None,
    ) -> None:
        """Shows a message, and how far the task is, in luigid and on a terminal.

        Shows it no more often than `every` so many seconds. A task that shows the end alone needs no percentage: luigid
        says that it is done. `rows` is the number done so far, of which a terminal shows the speed, `of` that of all.
        """
        now = time.monotonic()
        if now - self._said >= every:
            self._said = now
            self._is_under_way |= percentage is not None and percentage < 100
            show(self, message, percentage if self._is_under_way else None, rows, of)

    _said = 0.0
    _is_under_way = False

    def on_success(self) -> str | None:
        """The failure that the task held back. Luigi passes it on, even from a process of the task's own."""
        return reason(self.error) if self.error else None

    @property
    def priority(self) -> int:
        """Older dates first, so that a backfill keeps the order of days; in a date the longest chain of tasks first."""
        chains = list(SOURCE_TABLES)
        # Luigi raises the required tasks to the task's own priority. So a task that requires all tables comes last.
        place = min((chains.index(table) for table in self.chain()), default=len(chains))
        to_come: int = dt.date.max.toordinal() - self.date.toordinal()
        # Above zero, the priority that Luigi gives the tasks that may require this one.
        return (to_come + 1) * (len(chains) + 1) - place

    @property
    def is_long(self) -> bool:
        """Whether it is worth a process of its own on any day: it moves most of the day's rows, or waits for others."""
        return False

    def chain(self) -> Iterable[str]:
        """The source tables whose chain of tasks this one belongs to."""
        return ()


class WaitingTask(DatedTask):
    """A task that mostly waits for somebody else: it begins before all others of its date, beside the worker."""

    @property
    def is_long(self) -> bool:
        return True

    @property
    def priority(self) -> int:
        return super().priority + 1


def retried(run: Callable[[Any], None]) -> Callable[[Any], None]:
    """Runs a task again after a failure that may pass by itself, with longer and longer waits.

    A run is one transaction, or leaves work on which the next run builds. So it may always begin again.
    """

    @functools.wraps(run)
    def patient(task: Any) -> None:
        def tell(message: str) -> None:
            logger.warning("%s: %s", task, message)
            show(task, message)

        patiently(lambda: run(task), settings().retries, tell)

    return patient


def held_back(run: Callable[[Any], None]) -> Callable[[Any], None]:
    """Makes a failure of `run` one that does not stop the tasks after this one.

    It is logged and recorded, and the task ends without being complete; DailyWarehouseLoad fails for it in the end, and
    the next run, of its date or a later one, tries again.
    """
    attempt = retried(run)

    @functools.wraps(attempt)
    def guarded(task: DatedTask) -> None:
        try:
            attempt(task)
        except Exception as error:
            task.error = error
            logger.error("%s was not done: %s", task, error, exc_info=not isinstance(error, OceanError))
            task.say(f"failed: {error}")

    return guarded


def show(
    task: luigi.Task, message: str, percentage: float | None = None, rows: int | None = None, of: int | None = None
) -> None:
    """Shows a message on a terminal, and in luigid, whose page takes it for HTML.

    A luigid that does not answer is no reason to fail a load.
    """
    live.say(task, message, percentage, rows, of)
    if task.set_status_message is None:  # no worker runs this task
        return
    with contextlib.suppress(RPCError):
        task.set_status_message(html.escape(printable(message), quote=False))
        if percentage is not None:
            task.set_progress_percentage(round(percentage))


def marker_of(task: DatedTask, target: str, until: str | None) -> Marker:
    """The marker of a task for its date, to its end or up to an instant."""
    span = f"{task.date} until {until}" if until else str(task.date)
    return Marker(f"{task.task_family}({target}, {span})", target, task.date)


class MarkedTask(DatedTask):
    """A task that loads a table of the warehouse and writes its marker in the same transaction."""

    table: str
    layer: str

    @cached_property
    def closing(self) -> Marker:
        """The marker of a date that is loaded to its end."""
        return self.marker_at(None)

    @cached_property
    def marker(self) -> Marker:
        """The marker of a date that is loaded as far as this command goes: to its end, or up to now."""
        until = under_way.until(self.date)
        return self.marker_at(until) if until else self.closing

    def marker_at(self, until: str | None) -> Marker:
        """The marker of a date that is loaded to its end, or up to an instant."""
        return marker_of(self, f"{self.layer}.{self.table}", until)

    def output(self) -> Marker:
        return self.marker

    def complete(self) -> bool:
        return self.closing.exists() or self.marker.exists()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Cursor]:
        """The transaction of a load. A load that wrote no row but its notes does not wait for the disk.

        If the server crashes at once, the marker is lost, and the next run finds nothing to do.
        """
        with postgres.transaction(settings().warehouse_url, "warehouse") as cursor:
            before = writes.moved(cursor)
            yield cursor
            if before is not None and writes.moved(cursor) == before:
                cursor.execute("set local synchronous_commit = off")
