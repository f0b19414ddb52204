"""Source -> lake."""

import datetime as dt
from collections.abc import Iterable

import luigi

from pipeline import extract, postgres
from pipeline.catalog import SOURCE_TABLES
from pipeline.config import settings
from pipeline.lake import lake
from pipeline.targets import LakeObject
from pipeline.tasks.base import DatedTask
from pipeline.tasks.simulate import SimulateBusinessDay


class ChooseBound(DatedTask):
    """Fixes the one instant up to which all tables of a date are extracted.

    luigi --module pipeline ChooseBound --date 2026-11-19 --local-scheduler
    """

    def requires(self) -> Iterable[luigi.Task]:
        is_over = self.date < dt.datetime.now(dt.UTC).date()
        return [SimulateBusinessDay(self.date)] if settings().simulate and is_over else []

    def output(self) -> LakeObject:
        return LakeObject(extract.bound_key(self.date))

    def run(self) -> None:
        with (
            postgres.session(settings().warehouse_url, "warehouse") as warehouse,
            postgres.session(settings().operational_url, extract.SESSION) as source,
        ):
            postgres.lock_session(warehouse, f"bound {self.date}")
            bound = extract.choose_bound(source, lake(), self.date, settings().watermark_lag)
        self.set_status_message(f"up to {bound}")


class ExtractTable(DatedTask):
    """Extracts the rows of one source table that changed up to the end of a date and were not extracted yet.

    luigi --module pipeline ExtractTable --table ops.orders --date 2026-11-19 --local-scheduler
    """

    table = luigi.ChoiceParameter(choices=list(SOURCE_TABLES), description="the source table, schema.table")

    def requires(self) -> luigi.Task:
        return ChooseBound(self.date)

    def output(self) -> LakeObject:
        return LakeObject(f"{extract.folder(self.table, self.date)}/{extract.SUCCESS}")

    def run(self) -> None:
        with (
            postgres.session(settings().warehouse_url, "warehouse") as warehouse,
            postgres.session(settings().operational_url, extract.SESSION) as source,
        ):
            # Two processes for the same date: the second one waits and finds the extract.
            postgres.lock_session(warehouse, f"extract {self.table} {self.date}")
            if self.complete():
                return
            found = extract.extract(
                source, lake(), SOURCE_TABLES[self.table], self.date, settings(), progress=self._progress
            )
        self.rows, self.bytes = found.rows, found.bytes
        self.set_status_message(f"{found.rows:,} rows, {found.bytes:,} bytes")

    def _progress(self, sent: int) -> None:
        self.set_status_message(f"{sent:,} bytes so far")
