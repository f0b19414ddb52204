"""What all tasks of a date share."""

from functools import cached_property

import luigi

from pipeline.catalog import SOURCE_TABLES
from pipeline.targets import Marker


class DatedTask(luigi.Task):
    """A task of one date (UTC). `rows` and `bytes` are what its run moved, for the run log and the summary."""

    date = luigi.DateParameter(description="the day whose changes are loaded, YYYY-MM-DD (UTC)")

    rows: int | None = None
    bytes: int | None = None
    # A failure that must not stop the tasks after this one.
    error: Exception | None = None

    @property
    def priority(self) -> int:
        """Older dates first, so that a backfill keeps the order of days; in a date the longest chain of tasks first."""
        tables = list(SOURCE_TABLES)
        table = getattr(self, "table", None)
        after = tables.index(table) if table in tables else 0
        ordinal: int = self.date.toordinal()
        return -ordinal * len(tables) - after


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
