"""The forecasts in the mart: when one is due, what it knows, and what it expected."""

import datetime as dt
import io

from pipeline.forecast import environment
from pipeline.kernel import postgres
from pipeline.kernel.config import Settings
from pipeline.kernel.errors import ForecastFailed
from pipeline.kernel.postgres import Cursor, qualified, sql

TABLE = "mart.sales_forecast"
COLUMNS = ("measure", "country", "day", "expected", "low_80", "high_80", "low_95", "high_95")
FEWEST_DAYS = 56  # below them the script refuses


def is_due(cursor: Cursor, settings: Settings, date: dt.date) -> bool:
    """Whether a load of `date` begins a new month or week for which nothing is forecast, and there is enough to know.

    The day after `date` begins it, or an earlier one if the load of that brought no forecast.
    """
    if settings.forecast == "off" or not settings.mart or environment.python(settings.forecast_python) is None:
        return False
    due: bool = postgres.value(cursor, DUE, {"date": date, "span": settings.forecast, "fewest": FEWEST_DAYS})
    return due


def is_made(cursor: Cursor, run_day: dt.date) -> bool:
    """Whether there is a forecast that knows all days up to `run_day`, and no later one."""
    return bool(
        postgres.value(
            cursor,
            "select exists (select from mart.forecast_run where run_day = %s and made_ts is not null)",
            (run_day,),
        )
    )


def begin(cursor: Cursor, run_day: dt.date) -> None:
    """Notes that a forecast is being made. One that is there stays until the new one is."""
    cursor.execute(BEGIN, (run_day,))


def fail(cursor: Cursor, run_day: dt.date, why: str) -> None:
    """Notes that a forecast could not be made."""
    cursor.execute("update mart.forecast_run set failure = %s where run_day = %s", (why, run_day))


def history(cursor: Cursor, run_day: dt.date) -> bytes:
    """Sales and orders of all days up to `run_day`, as CSV for the script. Raises ForecastFailed.

    They are as the warehouse knows them now: of a day in the past, with what came to it later.
    """
    newest = postgres.value(cursor, "select max(day) from mart.sales_by_day")
    if newest is None or newest < run_day:
        raise ForecastFailed(
            f"forecast sales from {run_day} on",
            f"orders are loaded up to {newest}" if newest else "no orders are loaded",
            f"run DailyWarehouseLoad --date {run_day} first",
        )
    found = io.BytesIO()
    postgres.copy_out(cursor, sql.SQL(HISTORY).format(sql.Literal(run_day)), found)
    return found.getvalue()


def keep(cursor: Cursor, run_day: dt.date, made: bytes) -> int:
    """Puts what the script wrote in the place of an earlier forecast of the same day; returns how many rows."""
    # The script's rows lack the day of the run, which is the column's default for this transaction.
    cursor.execute(
        sql.SQL(
            "create temporary table made (like {}) on commit drop; alter table made alter run_day set default {}"
        ).format(qualified(TABLE), sql.Literal(run_day))
    )
    rows = postgres.copy_in(cursor, sql.Identifier("made"), COLUMNS, io.BytesIO(made), "format csv")
    cursor.execute(sql.SQL("delete from {} where run_day = {}").format(qualified(TABLE), sql.Literal(run_day)))
    cursor.execute(sql.SQL("insert into {} select * from made").format(qualified(TABLE)))
    cursor.execute(
        "update mart.forecast_run set made_ts = clock_timestamp(), failure = null where run_day = %s", (run_day,)
    )
    return rows


DUE = """
select
    coalesce(min(day) <= %(date)s - %(fewest)s + 1, false)
    and not exists (
        select from mart.forecast_run
        where made_ts is not null and run_day + 1 >= date_trunc(%(span)s, %(date)s::date + 1)::date
    )
from mart.agg_order_day
where orders > 0
"""
BEGIN = """
insert into mart.forecast_run as known (run_day, begun_ts) values (%s, clock_timestamp())
on conflict (run_day) do update set begun_ts = excluded.begun_ts, failure = null
"""
HISTORY = """
select measure.name as measure, country, day, measure.value
from mart.sales_by_day
cross join lateral (values ('sales', sales), ('orders', orders)) as measure (name, value)
where day <= {}
order by measure, country, day
"""
