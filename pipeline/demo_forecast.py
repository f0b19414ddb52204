"""The forecasts of the demo, in the background: `python -m pipeline.demo_forecast HOME`.

Nobody waits for it: it installs what it needs first. The dashboard says so until the forecast is there. HOME, the
folder of the services, is how `make down` finds the program.
"""

import datetime as dt
import subprocess
import sys
from pathlib import Path

from pipeline.forecast import environment, forecast_runs
from pipeline.kernel import clock, config, postgres
from pipeline.services import background
from pipeline.tasks.runtime.forecasting import command

PROGRAM = "pipeline.demo_forecast"
EARLIER = 3  # months whose forecasts are made too, to be compared with what came


def start(yesterday: dt.date) -> Path:
    """Starts the program, and notes that a forecast is being made; returns its log."""
    home = config.home()
    with postgres.session(config.settings().warehouse_url, "warehouse") as cursor:
        if not forecast_runs.is_made(cursor, yesterday):
            forecast_runs.begin(cursor, yesterday)
    log = home / "log/forecast.log"
    background.start(home, PROGRAM, log)
    return log


def main() -> int:
    """Installs what forecasts, unless it is there, and makes the forecasts; returns the exit code."""
    yesterday = clock.today() - dt.timedelta(days=1)
    if not environment.INSTALLED.exists():
        build = ["make", "forecast", f"PYTHON={Path(sys.executable).resolve()}"]
        if subprocess.run(build, cwd=environment.CHECKOUT, check=False).returncode:
            with postgres.session(config.settings().warehouse_url, "warehouse") as cursor:
                forecast_runs.fail(cursor, yesterday, "its environment could not be built; see the log of the demo")
            return 1
    dates = [yesterday, *_ends_of_months(yesterday)]
    return max(subprocess.run(command(date), cwd=environment.CHECKOUT, check=False).returncode for date in dates)


def _ends_of_months(yesterday: dt.date) -> list[dt.date]:
    """The last days of the last months before that of `yesterday`, the newest first."""
    found = [yesterday.replace(day=1) - dt.timedelta(days=1)]
    while len(found) < EARLIER:
        found.append(found[-1].replace(day=1) - dt.timedelta(days=1))
    return found


if __name__ == "__main__":
    sys.exit(main())
