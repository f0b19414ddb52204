"""The main job."""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from functools import cache

import luigi

from pipeline.catalog import DIMENSIONS, FACTS, SOURCE_TABLES, VENDOR_FEEDS
from pipeline.feeds import unread
from pipeline.kernel import postgres
from pipeline.kernel.config import settings
from pipeline.kernel.errors import LoadIncomplete
from pipeline.lake.objects import lake
from pipeline.operations import kpi_runs, summary
from pipeline.tasks.base import DatedTask, MarkedTask, retried
from pipeline.tasks.check_warehouse import CheckMart, CheckWarehouse
from pipeline.tasks.create_warehouse import CreateWarehouse
from pipeline.tasks.load_feed import DeliveredTask, unread_files
from pipeline.tasks.load_lake_star import LoadLakeStar, MaintainLakeStar
from pipeline.tasks.load_mart import LoadMart
from pipeline.tasks.load_reviews import ClassifyReviews
from pipeline.tasks.load_risk_scores import LoadRiskScores
from pipeline.tasks.load_table import LoadDimension, LoadFact, LoadStage, feed_task
from pipeline.tasks.load_user_behavior import LoadUserBehavior
from pipeline.tasks.reconcile_source import ReconcileSource
from pipeline.tasks.runtime import under_way
from pipeline.tasks.runtime.day_parameter import day_parameter
from pipeline.tasks.simulate import knows_opening


class DailyWarehouseLoad(MarkedTask):
    """Loads all changes up to the end of a date that are not loaded yet, and prints a summary.

    Another run of the date, or a run of a later one, also loads vendors' files that came late. A date under way is
    loaded up to now and is not complete. Another run loads the changes since. A run after its end, or the load of a
    later date, completes it. A date that has not begun is refused.

    luigi --module pipeline DailyWarehouseLoad --date 2026-11-19 --local-scheduler
    """

    brief = luigi.BoolParameter(
        significant=False, description="print one line, and leave the star on the lake to the next load"
    )
    layer, table = "mart", "kpi_monthly"

    def complete(self) -> bool:
        if not super().complete():
            return False
        # Of several dates one job loads all, at the end: who asks for one of them waits for it.
        if settings().lakehouse.is_alone and not all(task.complete() for task in self._lake()):
            return False
        # A date that a version without feeds has loaded is complete until the warehouse knows the feeds.
        return not (CreateWarehouse().complete() and _has_feeds() and any(feed.late() for feed in self._feeds()))

    def requires(self) -> Iterable[luigi.Task]:
        _check_services()
        left = [] if settings().from_lake else under_way.left_before(self.date)
        return [
            *(DailyWarehouseLoad(date, brief=True) for date in left),
            *(LoadStage(self.date, table) for table in SOURCE_TABLES),
            *self._others(),
            *([] if settings().lakehouse.is_alone else self._star()),
            # Of several dates one job loads all: who asked for them asks for it.
            *self._lake(),
            *([] if self.brief else MaintainLakeStar.due(self.date)),
            *([] if self.brief else ReconcileSource.due(self.date)),
        ]

    def _lake(self) -> list[LoadLakeStar]:
        return [] if self.brief else LoadLakeStar.wanted(self.date)

    def _star(self) -> list[luigi.Task]:
        """The tasks of the star in PostgreSQL."""
        return [
            *(LoadFact(self.date, table) for table in FACTS),
            *self._dimensions(),
            *LoadMart.wanted(self.date),
            CheckWarehouse(self.date),
            *CheckMart.due(self.date),
        ]

    def _feeds(self) -> list[DeliveredTask]:
        return [feed_task(name, self.date) for name in VENDOR_FEEDS]

    def _dimensions(self) -> list[LoadDimension]:
        return [] if settings().lakehouse.is_alone else [LoadDimension(self.date, table) for table in DIMENSIONS]

    def _others(self) -> list[luigi.Task]:
        """The other tasks whose failure does not stop the rest."""
        return [*self._feeds(), *LoadRiskScores.wanted(self.date), LoadUserBehavior(self.date)]

    @retried
    def run(self) -> None:
        # A dimension without the scores that failed is not complete, but it did not fail.
        failed = [
            *(dimension.table for dimension in self._dimensions() if not dimension.marker.exists()),
            *(task.table for task in self._others() if not task.complete()),
        ]
        left = unread_files(self.date)
        with postgres.transaction(settings().warehouse_url, "warehouse") as cursor:
            if not failed:
                self.marker.touch(cursor)
            until = under_way.until(self.date)
            if not failed and until:
                under_way.supersede(cursor, self.date, until)
            elif not failed:
                under_way.complete(cursor, self.date)
            unread.note(cursor, left)
            if settings().mart:
                kpi_runs.note(cursor, self.date)
            show = summary.line if self.brief else summary.of_date
            print(show(cursor, self.date), flush=True)
        if failed:
            raise LoadIncomplete(
                f"finish the load of {self.date}",
                f"{', '.join(failed)} could not be loaded (the reason is in the log and in etl.task_run)",
                "fix the cause and run the same command again: all the rest is loaded, and will be healed",
            )


class LoadHistory(DatedTask):
    """Loads a span of time: month by month up to a week before its last day, then day by day.

    Dates go in their order, one after the other.

    luigi --module pipeline LoadHistory --start 2024-11-01 --date 2026-11-19 --local-scheduler
    """

    start = day_parameter(description="the first day of the span, YYYY-MM-DD")

    def requires(self) -> Iterable[luigi.Task]:
        """All reviews at once, so that Spark starts once and not for every date."""
        # The files of a simulated shop begin on the day that it opens, which may be for the first date to decide.
        return [ClassifyReviews(self.date)] if not settings().simulate or knows_opening() else []

    def complete(self) -> bool:
        """Whether all dates are loaded, and the star on the lake is behind none of them."""
        dates = (DailyWarehouseLoad(date, brief=True) for date in self.dates())
        tasks = [*dates, *LoadLakeStar.wanted(self.date)]
        return all(task.complete() for task in tasks)

    def run(self) -> Iterator[luigi.Task | Sequence[luigi.Task]]:
        dates = self.dates()
        for number, date in enumerate(dates):
            self.say(f"loading up to {date}", 100 * number / len(dates))
            yield DailyWarehouseLoad(date, brief=True)
        yield LoadLakeStar.wanted(self.date)

    def dates(self) -> list[dt.date]:
        """The dates that are loaded: the ends of the months, then the last seven days."""
        days = [self.start + dt.timedelta(days=n) for n in range((self.date - self.start).days + 1)]
        return [day for day in days if (day + dt.timedelta(days=1)).day == 1 or (self.date - day).days < 7]


def _has_feeds() -> bool:
    """Whether a vendor has ever delivered anything. If none has, no run asks the lake."""
    with postgres.session(settings().warehouse_url, "warehouse") as cursor:
        found: bool = postgres.value(cursor, "select exists (select from etl.feed_date)")
        return found


@cache
def _check_services() -> None:
    """Says at once which service is down, rather than after the first tasks that need it."""
    if not settings().from_lake:
        postgres.check(settings().operational_url, "operational")
    postgres.check(settings().warehouse_url, "warehouse")
    lake().check()
