"""Purchases -> lake -> stage -> dwh.user_behavior_metric."""

import functools
from collections.abc import Iterable
from functools import cache

import luigi

from pipeline.catalog import USER_PURCHASE
from pipeline.feeds import purchases
from pipeline.kernel import locks, postgres
from pipeline.kernel.config import settings
from pipeline.lake.objects import lake
from pipeline.source import layout
from pipeline.tasks.base import DatedTask, held_back
from pipeline.tasks.create_warehouse import CreateWarehouse
from pipeline.tasks.extract_table import ChooseBound, bound_of
from pipeline.tasks.load_reviews import LoadReviews
from pipeline.tasks.locked_source import locked_source
from pipeline.tasks.runtime import under_way
from pipeline.tasks.runtime.targets import LakeObject


class _OfPurchases(DatedTask):
    """A task on the purchases of a date with a quantity above `min_quantity`."""

    min_quantity = luigi.OptionalIntParameter(
        default=None, description="the quantity above which a purchase counts; the default is in luigi.cfg"
    )

    @property
    def above(self) -> int:
        """The quantity above which a purchase counts."""
        return settings().min_quantity if self.min_quantity is None else self.min_quantity

    @property
    def folder(self) -> str:
        """The folder of the purchases that this command extracts to the lake."""
        return purchases.folder(self.date, self.above, under_way.until(self.date))


class ExtractPurchases(_OfPurchases):
    """Extracts the purchases of a date, and of the days before it that are not loaded yet.

    luigi --module pipeline ExtractPurchases --date 2026-11-19 --local-scheduler
    """

    layer, table = "extract", USER_PURCHASE.short

    def requires(self) -> Iterable[luigi.Task]:
        return [CreateWarehouse(), ChooseBound(self.date)]

    def output(self) -> LakeObject:
        return LakeObject(f"{self.folder}/{layout.SUCCESS}")

    @held_back
    def run(self) -> None:
        with (
            postgres.session(settings().warehouse_url, "warehouse") as warehouse,
            locked_source(f"extract user_purchase {self.date}") as source,
        ):
            if lake().exists(self.output().key):
                return
            bound = bound_of(self.date)
            found = purchases.extract_days(
                source, warehouse, lake(), self.folder, self.date, bound, self.above, settings()
            )
        self.rows, self.bytes = found.rows, found.bytes
        self.say(f"{found.rows:,} rows, {found.bytes:,} bytes", 100)


class LoadUserBehavior(_OfPurchases):
    """Measures the spending of customers with reviews on a date, and on days before it that are not loaded yet.

    Loads a date that is loaded with another `min_quantity` again, and no other date. A source without
    retail.user_purchase has nothing to measure. A failure is held back.

    luigi --module pipeline LoadUserBehavior --date 2026-11-19 --local-scheduler
    luigi --module pipeline RangeDaily --of LoadUserBehavior --of-params '{"min_quantity": 5}' \
        --start 2026-11-01 --stop 2026-11-20 --local-scheduler
    """

    layer, table = "dwh", purchases.METRIC

    def complete(self) -> bool:
        if not (settings().simulate or _has_purchases()):
            return True
        if not (CreateWarehouse().complete() and ChooseBound(self.date).complete()):
            return False
        with postgres.session(settings().warehouse_url, "warehouse") as cursor:
            return purchases.is_loaded(cursor, self.date, self.above, lambda: bound_of(self.date))

    def requires(self) -> Iterable[luigi.Task]:
        return [ExtractPurchases(self.date, min_quantity=self.min_quantity), LoadReviews(self.date)]

    @held_back
    def run(self) -> None:
        with postgres.session(settings().warehouse_url, "warehouse") as cursor:
            earlier = purchases.behind(cursor, lake(), self.folder, self.date, self.above)
        for task in [*(self.clone(date=date) for date in earlier), self]:
            with postgres.transaction(settings().warehouse_url, "warehouse") as cursor:
                locks.lock(cursor, f"dwh.{self.table}")
                if purchases.is_loaded(cursor, task.date, self.above, functools.partial(bound_of, task.date)):
                    continue
                loaded = purchases.load(cursor, lake(), task.folder, task.date, self.above)
            self.rows = (self.rows or 0) + loaded.metrics
            self.say(
                f"{loaded.metrics:,} rows of {loaded.days} days; {loaded.purchases:,} purchases, of these "
                f"{loaded.without_customer:,} without a customer",
                100,
            )


@cache
def _has_purchases() -> bool:
    """Whether the source has such a table: looked up once, at the first question."""
    if settings().from_lake:
        return bool(lake().dates(layout.folders(USER_PURCHASE.name)))
    with postgres.session(settings().operational_url, "operational") as source:
        return purchases.exists(source)
