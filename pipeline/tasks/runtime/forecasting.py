"""Starts the forecast that a load makes due, when all else of the command is done."""

import datetime as dt
import logging
import subprocess
import sys

from pipeline.forecast import forecast_runs
from pipeline.kernel import config, postgres
from pipeline.kernel.errors import OceanError
from pipeline.operations.outcome import DAILY, Outcome

logger = logging.getLogger("luigi-interface")


def forecast(outcome: Outcome) -> None:
    """Runs ForecastSales in a process of its own, if the loads of this command have made it due, and waits for it.

    Whatever becomes of it changes nothing of the loads, nor their exit code: it says by itself what failed.
    """
    dates = [task.date for task in outcome.done if task.family == DAILY]
    if not dates:
        return
    date = dt.date.fromisoformat(max(dates))
    try:
        with postgres.session(config.settings().warehouse_url, "warehouse") as cursor:
            is_due = forecast_runs.is_due(cursor, config.settings(), date)
    except OceanError as error:
        logger.warning("nothing was forecast: %s", error)
        return
    if is_due:
        print("Forecasting sales of the next 90 days; all is loaded ...", flush=True)
        subprocess.run(command(date), check=False)


def command(date: dt.date) -> list[str]:
    """The command that forecasts from a date on."""
    program = "from luigi.cmdline import luigi_run; luigi_run()"
    return [
        *(sys.executable, "-c", program, "--module", "pipeline", "ForecastSales"),
        *("--date", str(date), "--local-scheduler", "--log-level", "WARNING"),
    ]
