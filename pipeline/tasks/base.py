"""What all tasks of a date share."""

import contextlib
import datetime as dt
import time
from collections.abc import Iterable
from functools import cached_property

import luigi
from luigi.rpc import RPCError

from pipeline.catalog import SOURCE_TABLES
from pipeline.targets import Marker


class DatedTask(luigi.Task):
    """A task of one date (UTC). `rows` and `bytes` are what its run moved, for the run log and the summary."""

    date = luigi.DateParameter(description="the day whose changes are loaded, YYYY-MM-DD (UTC)")

    rows: int | None = None
    bytes: int | None = None
    # A failure that must not stop the tasks after this one.
    error: Exception | None = None

    def say(self, message: str, percentage: float | None = None, *, every: float = 0) -> None:
        """Shows a message, and how far the task is, in luigid; no more often than `every` so many seconds.

        A luigid that does not answer is no reason to fail a load.
        """
        now = time.monotonic()
        if now - self._said < every or self.set_status_message is None:  # None: no worker runs this task
            return
        self._said = now
        with contextlib.suppress(RPCError):
            self.set_status_message(message)
            if percentage is not None:
                self.set_progress_percentage(round(percentage))

    _said = 0.0

    @property
    def priority(self) -> int:
        """Older dates first, so that a backfill keeps the order of days; in a date the longest chain of tasks first."""
        chains = list(SOURCE_TABLES)
        # Luigi raises what a task requires to the task's own priority: what requires all tables comes last.
        place = min((chains.index(table) for table in self.chain()), default=len(chains))
        to_come: int = dt.date.max.toordinal() - self.date.toordinal()
        # Above zero, which is what Luigi gives the tasks that may require this one.
        return (to_come + 1) * (len(chains) + 1) - place

    @property
    def is_small(self) -> bool:
        """Whether the task is quick whatever the size of the shop: it moves the rows of small tables alone."""
        chain = list(self.chain())
        return bool(chain) and all(SOURCE_TABLES[table].small for table in chain)

    def chain(self) -> Iterable[str]:
        """The source tables whose chain of tasks this one belongs to."""
        return ()


class MarkedTask(DatedTask):
    """A task that loads a table of the warehouse and writes its marker in the same transaction."""

    table: str
    layer: str

    @cached_property
    def marker(self) -> Marker:
        target = f"{self.layer}.{self.table}"
        return Marker(f"{self.task_family}({target}, {self.date})", target, self.date)

    def output(self) -> Marker:
        return self.marker
