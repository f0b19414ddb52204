"""The KPIs of the last complete month, beside the month before and all months."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from pipeline import kpis
from pipeline.book import drawings
from pipeline.book.drawings import Sparkline
from pipeline.kernel import postgres
from pipeline.kernel.postgres import Cursor, sql
from pipeline.kpis import Kpi
from pipeline.operations.summary import SHOWN

MONTHS = 24
QUERY = """
select month, is_complete, {} from mart.kpi_monthly order by month desc limit %(months)s
"""


@dataclass(frozen=True)
class KeyFigure:
    """A KPI for people: its value, the change, whether that is for the better, and the months as a line.

    `so_far` is the value of the month in progress; empty where there is none.
    """

    kpi: Kpi
    value: str
    change: str
    is_better: bool | None
    is_beyond: bool
    line: Sparkline | None
    so_far: str


@dataclass(frozen=True)
class KeyFigures:
    """The figures of a month, and the month in progress; None where no month is complete, or none in progress."""

    month: dt.date | None
    in_progress: dt.date | None
    figures: list[KeyFigure]


def read(cursor: Cursor) -> KeyFigures:
    """The figures of the newest complete month."""
    query = sql.SQL(QUERY).format(sql.SQL(", ").join(map(sql.Identifier, SHOWN)))
    found = postgres.rows(cursor, query, {"months": MONTHS + 1})
    complete = _by_calendar([row for row in reversed(found) if row[1]])
    open_month = next((row for row in found if not row[1]), None)
    figures = []
    for place, name in enumerate(SHOWN, start=2):
        values = [None if row[place] is None else float(row[place]) for row in complete[-MONTHS:]]
        figures.append(_figure(kpis.kpis()[name], values, open_month[place] if open_month else None))
    return KeyFigures(complete[-1][0] if complete else None, open_month[0] if open_month else None, figures)


def _by_calendar(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """The rows of months with one for each month between them, also where nobody ordered: empty there."""
    placed = {row[0]: row for row in rows}
    month, last = min(placed, default=None), max(placed, default=None)
    filled = []
    while month and last and month <= last:
        filled.append(placed.get(month, (month, True, *[None] * len(SHOWN))))
        month = (month + dt.timedelta(days=31)).replace(day=1)
    return filled


def _figure(kpi: Kpi, values: list[float | None], so_far: float | None) -> KeyFigure:
    now = values[-1] if values else None
    before = values[-2] if len(values) > 1 else None
    change, is_better = changed(kpi, before, now)
    return KeyFigure(
        kpi,
        kpis.shown(kpi, now),
        change,
        is_better,
        kpi.is_beyond(now),
        drawings.sparkline(values, kpi.limit),
        "" if so_far is None else kpis.shown(kpi, so_far),
    )


def changed(kpi: Kpi, before: float | None, now: float | None) -> tuple[str, bool | None]:
    """The change of a KPI in words, and whether it is for the better; None where there is none to speak of.

    In percent; of a share, and of a difference of shares, in percentage points, since a percentage of it says little.

    >>> rate = Kpi("rate", "Rate", "rate", "", "share", 1, (), "sum(lost)", (), good="less")
    >>> changed(rate, 0.05, 0.06), changed(rate, None, 0.06)
    (('+1.0 pp', False), ('', None))
    """
    if before is None or now is None:
        return "", None
    if kpi.unit in ("share", "points"):
        difference = now - before
        said = f"{100 * difference:+.1f} pp"
    elif before == 0:
        return "", None
    else:
        difference = now / before - 1
        said = f"{difference:+.1%}"
    if float(said.rstrip("%p ")) == 0:
        return said, None
    return said, (difference > 0) == (kpi.good == "more")
