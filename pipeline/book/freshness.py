"""Which table was loaded for which of the last days. A day that no load has brought never looks like one that is."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.catalog import DIMENSIONS, FACTS, SOURCE_TABLES
from pipeline.kernel import postgres
from pipeline.kernel.config import Settings
from pipeline.kernel.postgres import Cursor

DAYS = 14
# Each state with its sign, so that no colour is needed to tell it.
SIGNS = {
    "loaded": "✓",
    "by a later load": "↷",
    "under way": "…",
    "failed": "✗",
    "not loaded": "!",
    "before the first load": "·",
}


# What the tasks write whose failure leaves a table without a day.
WRITTEN_BY = {
    "ExtractTable": "stage.{}",
    "LoadStage": "stage.{}",
    "LoadDimension": "dwh.{}",
    "LoadFact": "dwh.{}",
    "LoadMart": "mart.agg_order_month",
    "LoadLakeStar": "lake.star",
    "DailyWarehouseLoad": "mart.kpi_monthly",
}


@dataclass(frozen=True)
class Freshness:
    """A table with its state on each day, in the order of the days."""

    table: str
    states: tuple[str, ...]

    @property
    def layer(self) -> str:
        """Its layer, which is its schema."""
        return self.table.partition(".")[0]

    @property
    def short(self) -> str:
        """Its name in the layer."""
        return self.table.partition(".")[2]


def days(today: dt.date) -> list[dt.date]:
    """The days that are shown, up to yesterday."""
    return [today - dt.timedelta(days=n) for n in range(DAYS, 0, -1)]


def read(cursor: Cursor, shown: list[dt.date], settings: Settings) -> list[Freshness]:
    """The state of each table that a daily load writes, on each of the days."""
    done: dict[str, set[dt.date]] = {}
    under_way: dict[str, set[dt.date]] = {}
    stage = {f"stage.{each.name}": f"stage.{each.short}" for each in SOURCE_TABLES.values()}
    for target, date, is_under_way in postgres.rows(cursor, LOADED):
        (under_way if is_under_way else done).setdefault(stage.get(target, target), set()).add(date)
    failed: dict[str, set[dt.date]] = {}
    for task, table, date in postgres.rows(cursor, FAILED, {"tasks": [*WRITTEN_BY], "from": str(shown[0])}):
        failed.setdefault(WRITTEN_BY[task].format(table), set()).add(date)
    first = min((date for dates in done.values() for date in dates), default=None)
    nothing: set[dt.date] = set()
    return [
        Freshness(
            table,
            tuple(
                _states(
                    shown, done.get(table, nothing), under_way.get(table, nothing), failed.get(table, nothing), first
                )
            ),
        )
        for table in _tables(settings)
    ]


def _tables(settings: Settings) -> list[str]:
    """With the star on the lake alone, its load stands for those of all its tables."""
    if settings.lakehouse.is_alone:
        star = ["lake.star"]
    else:
        star = [f"dwh.{name}" for name in (*DIMENSIONS, *FACTS)] + ["mart.agg_order_month"] * settings.mart
    return [*(f"stage.{each.short}" for each in SOURCE_TABLES.values()), *star, "mart.kpi_monthly"]


def _states(
    shown: list[dt.date], done: set[dt.date], under_way: set[dt.date], failed: set[dt.date], first: dt.date | None
) -> Iterable[str]:
    last = max(done, default=None)
    for day in shown:
        if day in done:
            yield "loaded"
        elif last and day < last:
            yield "before the first load" if first and day < first else "by a later load"
        elif day in under_way:
            yield "under way"
        else:
            yield "failed" if day in failed else "not loaded"


LOADED = """
select distinct target_table, load_date, update_id like '%% until %%' from etl.marker
where load_date is not null and update_id not like 'Extract%%'
"""
FAILED = """
select distinct task, split_part(coalesce(params ->> 'table', ''), '.', -1), (params ->> 'date')::date
from etl.task_run
where params ->> 'date' >= %(from)s and status = 'failed' and task = any(%(tasks)s)
"""
