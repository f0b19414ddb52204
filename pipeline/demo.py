"""`make demo`: two years of a simulated shop, loaded month by month and the last week day by day; KPIs, dashboards."""

import datetime as dt
import os
import sys
from urllib.parse import urlsplit

import luigi

from pipeline import demo_forecast, services
from pipeline.book import made
from pipeline.kernel import clock, config, postgres
from pipeline.kernel.errors import OceanError
from pipeline.operations import summary
from pipeline.tasks.daily import LoadHistory
from pipeline.tasks.runtime import live

MONTHS = 24


def main() -> int:
    """Loads the missing dates up to yesterday (UTC), prints the KPI table, serves dashboards; returns the exit code.

    Uses the embedded services alone: ignores the variables of other databases in the environment.
    """
    foreign = (
        "OPERATIONAL_URL",
        "OCEAN_SIMULATOR_URL",
        "WAREHOUSE_URL",
        "LAKE_URL",
        "OCEAN_SIMULATE",
        *config.OTHER_S3,
    )
    for variable in (*foreign, *(name for name in os.environ if name.startswith("SUPERSET_"))):
        os.environ.pop(variable, None)
    yesterday = clock.today() - dt.timedelta(days=1)
    try:
        opened_on = _opened_on() or _opening(yesterday)
        os.environ["OCEAN_SHOP_OPENED_ON"] = str(opened_on)
        config.settings.cache_clear()
        print(f"Loading OceanRecords from {opened_on} to {yesterday} ...", flush=True)
        done = luigi.build(
            [LoadHistory(start=opened_on, date=yesterday)], local_scheduler=True, workers=2, log_level="WARNING"
        )
        if not done:
            return 1
        with postgres.session(config.settings().warehouse_url, "warehouse") as cursor:
            print(f"\nOceanRecords by month (* in progress)\n{summary.kpi_table(cursor, yesterday, MONTHS + 1)}\n")
            print(f"{summary.contents(cursor)}\n")
        print("Deploying the dashboards ...", flush=True)
        with live.step("deploying the dashboards"):
            dashboards = services.dashboards(config.home(), again=False)
        with live.step("writing the book"):
            book = made.make()
        _say_where()
        print(dashboards)
        for title, address in made.dashboards(urlsplit(dashboards.url).netloc).items():
            print(f"    {title}: {address}")
        if config.settings().forecast != "off":
            log = demo_forecast.start(yesterday)
            print(f"Forecast: being made in the background, some two minutes (log: {log})")
        print(f"Book: {book} (user luigi, luigid_password in {config.home() / 'services.json'})")
    except OceanError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _opening(yesterday: dt.date) -> dt.date:
    """The first day of the month from which `MONTHS` whole months are over by yesterday."""
    months = yesterday.year * 12 + yesterday.month - 1 - MONTHS
    return dt.date(months // 12, months % 12 + 1, 1)


def _opened_on() -> dt.date | None:
    """The opening date of an earlier demo's shop; None if there is none."""
    with postgres.session(config.settings().simulator_url, "simulator") as cursor:
        if postgres.value(cursor, "select to_regclass('simulator.shop') is null"):
            return None
        opened_on: dt.date | None = postgres.value(cursor, "select max(opened_on) from simulator.shop")
        return opened_on


def _say_where() -> None:
    home = config.home()
    for state in services.status(home):
        print(f"{state.name:<10}  {state.state:<8}  {state.address}")
    print(f"Tasks: {config.embedded('luigid_url')} (user luigi, luigid_password in {home / 'services.json'})")
    print(
        f"Connection strings of the services are in {home / 'services.json'}.\n"
        "`make status` shows their state, `make down` stops them.\n"
        "Load a day yourself: .venv/bin/luigi --module pipeline DailyWarehouseLoad --date "
        f"{clock.today() - dt.timedelta(days=1)}"
    )


if __name__ == "__main__":
    sys.exit(main())
