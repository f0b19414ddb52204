"""Source -> lake."""

import datetime as dt
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache

import luigi

from pipeline.catalog import SOURCE_TABLES
from pipeline.kernel import locks, postgres
from pipeline.kernel.config import settings
from pipeline.kernel.postgres import Cursor
from pipeline.lake.objects import lake
from pipeline.source import bounds, extract, instants, layout
from pipeline.tasks.base import DatedTask, retried
from pipeline.tasks.runtime.targets import LakeObject
from pipeline.tasks.simulate import simulated_business

logger = logging.getLogger("luigi-interface")


class ChooseBound(DatedTask):
    """Fixes the one instant up to which all tables of a date are extracted.

    luigi --module pipeline ChooseBound --date 2026-11-19 --local-scheduler
    """

    def requires(self) -> Iterable[luigi.Task]:
        return simulated_business(self.date)

    def output(self) -> LakeObject:
        return LakeObject(bounds.key_of(self.date))

    @retried
    def run(self) -> None:
        with locked_source(f"bound {self.date}") as source:
            end = self._end()
            bound = bounds.choose(source, lake(), self.date, end, settings().watermark_lag)
        self.say(f"up to {bound}")
        if self._is_over() and instants.instant(bound) < end:
            logger.warning(
                "%s is extracted up to %s: a transaction of the source has been open since then. "
                "What is missing comes with a later date.",
                self.date,
                bound,
            )

    def _is_over(self) -> bool:
        is_over: bool = instants.end_of(self.date) <= dt.datetime.now(dt.UTC)
        return is_over

    def _end(self) -> dt.datetime:
        """The end of the date; where business is simulated, of the last day that is over: the rest is yet to come."""
        end = instants.end_of(self.date)
        if settings().simulate:
            end = min(end, instants.end_of(dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1)))
        return end


class ExtractTable(DatedTask):
    """Extracts the rows of one source table that changed up to the end of a date and were not extracted yet.

    luigi --module pipeline ExtractTable --table ops.orders --date 2026-11-19 --local-scheduler
    """

    table = luigi.ChoiceParameter(choices=list(SOURCE_TABLES), description="the source table, schema.table")
    layer = "extract"

    # What this process extracted, for the load that follows: it need not be read again.
    found: layout.Metadata | None = None

    @property
    def is_long(self) -> bool:
        return SOURCE_TABLES[self.table].is_busy

    def chain(self) -> Iterable[str]:
        return [self.table]

    def requires(self) -> luigi.Task:
        return ChooseBound(self.date)

    def complete(self) -> bool:
        """Whether the extract is there; before its date has a bound it is not, and no table is looked up."""
        return bool(ChooseBound(self.date).complete() and super().complete())

    def output(self) -> LakeObject:
        return LakeObject(f"{layout.folder(self.table, self.date)}/{layout.SUCCESS}")

    @retried
    def run(self) -> None:
        # Two processes for the same date: the second one waits and finds the extract.
        with locked_source(f"extract {self.table} {self.date}") as source:
            if lake().exists(self.output().key):
                return
            self.found = extract.extract(
                source, lake(), SOURCE_TABLES[self.table], self.date, _bound(self.date), settings(), self._progress
            )
        self.rows, self.bytes = self.found.rows, self.found.bytes
        self.say(f"{self.rows:,} rows, {self.bytes:,} bytes", 100)

    def _progress(self, sent: int) -> None:
        self.say(f"{sent:,} bytes so far", every=1)


@cache
def _bound(date: dt.date) -> str:
    return bounds.chosen(lake(), date)


@contextmanager
def locked_source(name: str) -> Iterator[Cursor]:
    """A session in the source while the lock called `name` is held in the warehouse: the source is never locked."""
    with (
        postgres.session(settings().warehouse_url, "warehouse") as warehouse,
        postgres.session(settings().operational_url, "operational", purpose=bounds.PURPOSE) as source,
    ):
        locks.lock_session(warehouse, name)
        yield source
