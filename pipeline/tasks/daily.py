"""The main job."""

import datetime as dt
from collections.abc import Iterable, Iterator
from functools import cache

import luigi

from pipeline import postgres, summary
from pipeline.catalog import DIMENSIONS, FACTS, SOURCE_TABLES
from pipeline.config import settings
from pipeline.errors import DimensionFailed
from pipeline.lake import lake
from pipeline.tasks.base import DatedTask, MarkedTask
from pipeline.tasks.load import LoadDimension, LoadFact, LoadStage


class DailyWarehouseLoad(MarkedTask):
    """Loads everything that changed up to the end of a date and was not loaded yet, and prints a summary.

    luigi --module pipeline DailyWarehouseLoad --date 2026-11-19 --local-scheduler
    """

    brief = luigi.BoolParameter(significant=False, description="print one line instead of the summary")
    layer, table = "mart", "kpi_monthly"
    is_small = True

    @classmethod
    def bulk_complete(cls, dates: Iterable[dt.date]) -> list[dt.date]:
        """Those of the dates that are loaded: what RangeDaily asks."""
        return [date for date in dates if cls(date).complete()]

    def requires(self) -> Iterable[luigi.Task]:
        _check_services()
        return [
            *(LoadStage(self.date, table) for table in SOURCE_TABLES),
            *(LoadDimension(self.date, table) for table in DIMENSIONS),
            *(LoadFact(self.date, table) for table in FACTS),
        ]

    def run(self) -> None:
        with postgres.transaction(settings().warehouse_url, "warehouse") as cursor:
            failed = [table for table in DIMENSIONS if not LoadDimension(self.date, table).marker.exists_in(cursor)]
            if not failed:
                self.marker.touch(cursor)
            show = summary.line if self.brief else summary.of_date
            print(show(cursor, self.date), flush=True)
        if failed:
            raise DimensionFailed(
                f"finish the load of {self.date}",
                f"{', '.join(failed)} could not be loaded (the reason is in the log and in etl.task_run)",
                "mend the cause and run the same command again; the facts were loaded and will be healed",
            )


class LoadHistory(DatedTask):
    """Loads a span of time: month by month up to a week before its last day, then day by day.

    Dates go in their order, one after the other.

    luigi --module pipeline LoadHistory --start 2024-11-01 --date 2026-11-19 --local-scheduler
    """

    start = luigi.DateParameter(description="the first day of the span, YYYY-MM-DD")

    def complete(self) -> bool:
        return all(DailyWarehouseLoad(date).complete() for date in self.dates())

    def run(self) -> Iterator[luigi.Task]:
        dates = self.dates()
        for number, date in enumerate(dates):
            self.say(f"loading up to {date}", 100 * number / len(dates))
            yield DailyWarehouseLoad(date, brief=True)

    def dates(self) -> list[dt.date]:
        """The dates that are loaded: the ends of the months, then the last seven days."""
        days = [self.start + dt.timedelta(days=n) for n in range((self.date - self.start).days + 1)]
        return [day for day in days if (day + dt.timedelta(days=1)).day == 1 or (self.date - day).days < 7]


@cache
def _check_services() -> None:
    """Says at once which service is down, rather than after the first tasks that need it."""
    postgres.check(settings().operational_url, "operational")
    postgres.check(settings().warehouse_url, "warehouse")
    lake().check()
