"""The tasks that do the simulated shop's business and drop its vendors' files."""

import datetime as dt

import luigi

from pipeline.generators.drops import partner_orders_key
from pipeline.kernel import clock, postgres
from pipeline.kernel.config import settings
from pipeline.kernel.errors import SimulationError
from pipeline.lake.objects import lake
from pipeline.tasks.base import DatedTask, retried

NO_SHOP = "select to_regclass('simulator.business_day') is null"
OPENED_ON = "select max(opened_on) from simulator.shop"
DONE = """
select
    exists (select from simulator.business_day where business_date = %(date)s)
    or exists (select from simulator.shop where opened_on > %(date)s)
"""


class SimulateBusinessDay(DatedTask):
    """Does the simulated shop's business of a date, and of every earlier date that is missing.

    luigi --module pipeline SimulateBusinessDay --date 2026-11-19 --local-scheduler

    Complete if the shop's own marker says that the day is done, or if the shop opened later. A kill leaves whole days,
    and a rerun does the missing ones. A day's rows are the same in every run.

    Raises SimulationError for a date that is not over yet (UTC), and for a shop of another seed or scale.
    """

    def complete(self) -> bool:
        with postgres.transaction(settings().simulator_url, "simulator") as cursor:
            if postgres.value(cursor, NO_SHOP):
                return False
            return bool(postgres.value(cursor, DONE, {"date": self.date}))

    @retried
    def run(self) -> None:
        # Faker comes with the extra `simulate`. Users with a shop of their own do not need it.
        from pipeline.generators.shop import simulate

        _require_over(self.date)
        config = settings()
        self.rows = simulate(
            config.simulator_url,
            self.date,
            seed=config.shop_seed,
            scale=config.shop_scale,
            opened_on=config.shop_opened_on,
            progress=self._report,
        ).rows

    def _report(self, date: dt.date, done: int, of: int) -> None:
        self.say(f"{date}: {done} of {of} business days done", 100 * done / of, every=1)


class SimulateFeeds(DatedTask):
    """Drops the vendors' review file and partner orders of a date on the lake, and those of every earlier date.

    luigi --module pipeline SimulateFeeds --date 2026-11-19 --local-scheduler

    Complete if the date's partner orders are there, which are written last, or if the shop opened later. A kill leaves
    whole files, and a rerun drops the missing ones. A file's bytes are the same in every run. Needs no simulated
    orders: luigi.cfg describes a shop that is not open yet.

    Raises SimulationError for a date that is not over yet (UTC).
    """

    def requires(self) -> list[luigi.Task]:
        """The task that opens the shop, if nothing else says when the files begin."""
        return [] if knows_opening() else [SimulateBusinessDay(self.date)]

    def complete(self) -> bool:
        opened_on = _opened_on() or settings().shop_opened_on or self.date
        return bool(self.date < opened_on) or lake().exists(partner_orders_key(self.date))

    @retried
    def run(self) -> None:
        from pipeline.generators.books import Shop
        from pipeline.generators.deliveries import drop_feeds
        from pipeline.generators.shop import find_shop

        _require_over(self.date)
        config = settings()
        shop = find_shop(config.simulator_url)
        if shop is None:
            shop = Shop(config.shop_seed, config.shop_scale, config.shop_opened_on or self.date)
        dropped = drop_feeds(lake(), shop, self.date, self._report)
        self.rows, self.bytes = dropped.rows, dropped.bytes

    def _report(self, date: dt.date, done: int, of: int) -> None:
        self.say(f"{date}: {done} of {of} days dropped", 100 * done / of, every=1)


def simulated_business(date: dt.date) -> list[luigi.Task]:
    """The tasks of the shop's business of a date; none if it is not simulated, or the date is not over yet."""
    return [SimulateBusinessDay(date)] if settings().simulate and _is_over(date) else []


def simulated_feeds(date: dt.date) -> list[luigi.Task]:
    """The tasks that drop the vendors' files of a date, likewise."""
    wanted = settings().simulate and settings().simulate_feeds
    return [SimulateFeeds(date)] if wanted and _is_over(date) else []


def knows_opening() -> bool:
    """Whether it is settled on which day the simulated shop opens: it has, or luigi.cfg says it."""
    return bool(settings().shop_opened_on or _opened_on())


def _is_over(date: dt.date) -> bool:
    return date < clock.today()


def _require_over(date: dt.date) -> None:
    if not _is_over(date):
        raise SimulationError(f"simulate {date}", "that day is not over yet (UTC)", "ask for an earlier date")


def _opened_on() -> dt.date | None:
    """The day on which the shop opened; None if it is not open yet."""
    with postgres.transaction(settings().simulator_url, "simulator") as cursor:
        if postgres.value(cursor, NO_SHOP):
            return None
        opened_on: dt.date | None = postgres.value(cursor, OPENED_ON)
        return opened_on
