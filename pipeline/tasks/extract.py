"""Source -> lake."""

import datetime as dt
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import luigi

from pipeline import extract, postgres
from pipeline.catalog import SOURCE_TABLES
from pipeline.config import settings
from pipeline.lake import lake
from pipeline.postgres import Cursor
from pipeline.targets import LakeObject
from pipeline.tasks.base import DatedTask
from pipeline.tasks.simulate import SimulateBusinessDay

logger = logging.getLogger("luigi-interface")


class ChooseBound(DatedTask):
    """Fixes the one instant up to which all tables of a date are extracted.

    luigi --module pipeline ChooseBound --date 2026-11-19 --local-scheduler
    """

    is_small = True

    def requires(self) -> Iterable[luigi.Task]:
        return [SimulateBusinessDay(self.date)] if settings().simulate and self._is_over() else []

    def output(self) -> LakeObject:
        return LakeObject(extract.bound_key(self.date))

    def run(self) -> None:
        with _locked_source(f"bound {self.date}") as source:
            end = self._end()
            bound = extract.choose_bound(source, lake(), self.date, end, settings().watermark_lag)
        self.say(f"up to {bound}")
        if self._is_over() and extract.instant(bound) < end:
            logger.warning(
                "%s is extracted up to %s: a transaction of the source has been open since then. "
                "What is missing comes with a later date.",
                self.date,
                bound,
            )

    def _is_over(self) -> bool:
        is_over: bool = extract.end_of(self.date) <= dt.datetime.now(dt.UTC)
        return is_over

    def _end(self) -> dt.datetime:
        """The end of the date; where business is simulated, of the last day that is over: the rest is yet to come."""
        end = extract.end_of(self.date)
        if settings().simulate:
            end = min(end, extract.end_of(dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1)))
        return end


class ExtractTable(DatedTask):
    """Extracts the rows of one source table that changed up to the end of a date and were not extracted yet.

    luigi --module pipeline ExtractTable --table ops.orders --date 2026-11-19 --local-scheduler
    """

    table = luigi.ChoiceParameter(choices=list(SOURCE_TABLES), description="the source table, schema.table")

    def chain(self) -> Iterable[str]:
        return [self.table]

    def requires(self) -> luigi.Task:
        return ChooseBound(self.date)

    def output(self) -> LakeObject:
        return LakeObject(f"{extract.folder(self.table, self.date)}/{extract.SUCCESS}")

    def run(self) -> None:
        # Two processes for the same date: the second one waits and finds the extract.
        with _locked_source(f"extract {self.table} {self.date}") as source:
            if self.complete():
                return
            found = extract.extract(
                source, lake(), SOURCE_TABLES[self.table], self.date, settings(), progress=self._progress
            )
        self.rows, self.bytes = found.rows, found.bytes
        self.say(f"{found.rows:,} rows, {found.bytes:,} bytes", 100)

    def _progress(self, sent: int) -> None:
        self.say(f"{sent:,} bytes so far", every=1)


@contextmanager
def _locked_source(name: str) -> Iterator[Cursor]:
    """A session in the source while the lock called `name` is held in the warehouse: the source is never locked."""
    with (
        postgres.session(settings().warehouse_url, "warehouse") as warehouse,
        postgres.session(settings().operational_url, "operational", purpose=extract.PURPOSE) as source,
    ):
        postgres.lock_session(warehouse, name)
        yield source
