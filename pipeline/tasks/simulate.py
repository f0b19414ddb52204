"""The task that does the simulated shop's business."""

import datetime as dt

from pipeline import postgres
from pipeline.config import settings
from pipeline.errors import SimulationError
from pipeline.tasks.base import DatedTask

NO_SHOP = "select to_regclass('simulator.business_day') is null"
DONE = """
select
    exists (select from simulator.business_day where business_date = %(date)s)
    or exists (select from simulator.shop where opened_on > %(date)s)
"""


class SimulateBusinessDay(DatedTask):
    """Does the simulated shop's business of a date, and of every earlier date that is missing.

    luigi --module pipeline SimulateBusinessDay --date 2026-11-19 --local-scheduler

    Complete when the shop's own marker says that the day is done, or when the shop opened later. A kill
    leaves whole days, and a rerun does the missing ones; a day's rows are the same whoever does it, and when.

    Raises SimulationError for a date that is not over yet (UTC), and for a shop of another seed or scale.
    """

    def complete(self) -> bool:
        with postgres.transaction(settings().operational_url, "operational") as cursor:
            if postgres.value(cursor, NO_SHOP):
                return False
            return bool(postgres.value(cursor, DONE, {"date": self.date}))

    def run(self) -> None:
        # Faker comes with the extra `simulate`: whoever brings a shop of their own does without.
        from pipeline.generators.shop import simulate

        if self.date >= dt.datetime.now(dt.UTC).date():
            raise SimulationError(f"simulate {self.date}", "that day is not over yet (UTC)", "ask for an earlier date")
        config = settings()
        self.rows = simulate(
            config.operational_url,
            self.date,
            seed=config.shop_seed,
            scale=config.shop_scale,
            opened_on=config.shop_opened_on,
            progress=self._report,
        ).rows

    def _report(self, date: dt.date, done: int, of: int) -> None:
        self.say(f"{date}: {done} of {of} business days done", 100 * done / of, every=1)
