"""mart -> forecast."""

from collections.abc import Iterable

import luigi

from pipeline.forecast import environment, forecast_runs
from pipeline.kernel import locks, postgres
from pipeline.kernel.config import settings
from pipeline.kernel.errors import reason
from pipeline.tasks.base import DatedTask, retried
from pipeline.tasks.create_warehouse import CreateWarehouse
from pipeline.tasks.load_lake_star import LoadLakeStar
from pipeline.tasks.load_mart import LoadMart


class ForecastSales(DatedTask):
    """Forecasts sales and orders of the 90 days after a date, by country, from all days up to it.

    A load starts it once all is done, if a month or week is new (`forecast` in luigi.cfg). It runs in the environment
    of `make forecast`. An earlier forecast stays, so that it can be compared with what came. A rerun does nothing. It
    can be made for any date that is loaded: it knows the days up to that, as the warehouse knows them now.

    luigi --module pipeline ForecastSales --date 2026-11-19 --local-scheduler

    Raises ForecastFailed, and ConfigError without the environment.
    """

    layer, table = "mart", "sales_forecast"

    def requires(self) -> Iterable[luigi.Task]:
        return [CreateWarehouse(), LoadLakeStar(self.date) if settings().lakehouse.is_alone else LoadMart(self.date)]

    def complete(self) -> bool:
        with postgres.session(settings().warehouse_url, "warehouse") as cursor:
            is_new = postgres.value(cursor, "select to_regclass('mart.forecast_run') is null")
            return not is_new and forecast_runs.is_made(cursor, self.date)

    @retried
    def run(self) -> None:
        with postgres.session(settings().warehouse_url, "warehouse") as cursor:
            locks.lock_session(cursor, forecast_runs.TABLE)  # of two runs at once the second one finds it made
            if forecast_runs.is_made(cursor, self.date):
                return
            history = forecast_runs.history(cursor, self.date)
            forecast_runs.begin(cursor, self.date)
            self.say("looking at the past")
            try:
                made = environment.run(settings().forecast_python, history)
                with postgres.transaction(settings().warehouse_url, "warehouse") as writer:
                    self.rows = forecast_runs.keep(writer, self.date, made)
            except Exception as error:
                forecast_runs.fail(cursor, self.date, reason(error))
                raise
        self.say(f"{self.rows:,} days and countries forecast", 100)
