"""dwh -> mart."""

import datetime as dt
from collections.abc import Iterable

import luigi

from pipeline.kernel import postgres
from pipeline.kernel.config import settings
from pipeline.star import mart
from pipeline.tasks.base import MarkedTask, retried
from pipeline.tasks.load_table import LoadFact


class LoadMart(MarkedTask):
    """Keeps the aggregates behind KPIs and dashboards: counts the written orders and order lines.

    luigi --module pipeline LoadMart --date 2026-11-19 --local-scheduler
    """

    layer, table = "mart", "agg_order_month"

    @classmethod
    def wanted(cls, date: dt.date) -> list["LoadMart"]:
        """The task of a date, unless luigi.cfg switches the aggregates off."""
        return [cls(date)] if settings().mart else []

    def requires(self) -> Iterable[luigi.Task]:
        return [LoadFact(self.date, table) for table in mart.COUNTED]

    def complete(self) -> bool:
        """Whether all facts are loaded, and counted."""
        if not super().complete() or not all(fact.complete() for fact in self.requires()):
            return False
        with postgres.session(settings().warehouse_url, "warehouse") as cursor:
            return mart.is_current(cursor)

    @retried
    def run(self) -> None:
        with self.transaction() as cursor:
            self.rows = mart.keep(cursor, self.say)
            self.marker.touch(cursor)
        self.say(f"{self.rows:,} orders counted", 100)
