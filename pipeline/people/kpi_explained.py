"""A KPI of a month or quarter: its definition, its value by country and in total, and what loads changed."""

import datetime as dt
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pipeline import kpis
from pipeline.kernel import new_columns, postgres
from pipeline.kernel.errors import ConfigError
from pipeline.kernel.postgres import Cursor, sql
from pipeline.kpis import Kpi
from pipeline.operations import kpi_limits, kpi_runs

MONTH, QUARTER = re.compile(r"([1-9]\d{3})-(0[1-9]|1[0-2])", re.ASCII), re.compile(r"([1-9]\d{3})-Q([1-4])", re.ASCII)
# What an expression adds up: each is a column of its own beside the value.
PART = re.compile(r"\b(?:sum|max|min|count)\((?:distinct )?\w+\)")


@dataclass(frozen=True)
class Period:
    """A month or quarter: the column that holds it, and its first day."""

    kind: str
    start: dt.date

    def __str__(self) -> str:
        quarter = f"{self.start:%Y}-Q{(self.start.month + 2) // 3}"
        return quarter if self.kind == "quarter" else f"{self.start:%Y-%m}"


@dataclass(frozen=True)
class Figure:
    """The value in a country, or everywhere, with the parts of its expression.

    `before` is what it was before the load of `changed_by`, which changed it last; None if the value was new then, or
    no change is known. `is_new`: the last load changed it.
    """

    country: str
    value: Decimal | None
    parts: dict[str, Any]
    before: Decimal | None
    changed_by: dt.date | None
    is_new: bool


@dataclass(frozen=True)
class Explained:
    """All of it. `unkept` says why no changes are known; empty where they are."""

    kpi: Kpi
    period: Period
    query: str
    is_complete: bool | None
    figures: list[Figure]
    limits: list[str]
    last_load: dt.date | None
    last_load_ended: dt.datetime | None
    unkept: str


def read(cursor: Cursor, name: str, text: str) -> Explained:
    """Explains a KPI. Raises ConfigError for one that there is not, or not of this period."""
    kpi, period = _kpi(name), parse(text)
    view, columns = _view(cursor, kpi, period)
    query = _query(kpi, period, view)
    found = postgres.rows(cursor, query)
    if len(found) < 2:  # the total has a row even where it adds up nothing
        raise ConfigError(
            f"explain {name} of {period}", f"{view} has no order of that {period.kind}", _known(cursor, view, period)
        )
    unkept = _unkept(cursor, kpi, period)
    changes = {} if unkept else {each[0]: each[1:] for each in _changes(cursor, kpi, period)}
    last_load, ended = next(iter(postgres.rows(cursor, LAST_LOAD)), (None, None))
    parts = _parts(kpi)
    figures = []
    for country, value, *values in found:
        before, changed_by, written = changes.get(country, (None, None, None))
        is_new = bool(written and ended and written >= ended)
        figures.append(Figure(country, value, dict(zip(parts, values, strict=True)), before, changed_by, is_new))
    return Explained(
        kpi,
        period,
        query.as_string(cursor),
        _is_complete(cursor, view, columns, period),
        figures,
        _limits(kpi),
        last_load,
        ended,
        unkept,
    )


def parse(text: str) -> Period:
    """The month or quarter that a text means. Raises ConfigError.

    >>> str(parse("2026-Q3")), parse("2026-10").start
    ('2026-Q3', datetime.date(2026, 10, 1))
    """
    if found := MONTH.fullmatch(text):
        return Period("month", dt.date(int(found[1]), int(found[2]), 1))
    if found := QUARTER.fullmatch(text):
        return Period("quarter", dt.date(int(found[1]), 3 * int(found[2]) - 2, 1))
    raise ConfigError(f"read the period {text!r}", "it is no month and no quarter", "write 2026-10, or 2026-Q3")


def _kpi(name: str) -> Kpi:
    if name in kpis.kpis():
        return kpis.kpis()[name]
    known = ", ".join(kpis.kpis())
    raise ConfigError(f"explain the KPI {name!r}", f"warehouse/{kpis.FILE} has none of that name", f"take {known}")


def _view(cursor: Cursor, kpi: Kpi, period: Period) -> tuple[str, set[str]]:
    """The first view of the KPI that has the period and countries, with its columns."""
    for view in (name for name in kpi.over if name.startswith("mart.")):
        columns = {name for (name,) in postgres.rows(cursor, new_columns.EXISTING, (view,))}
        if {period.kind, "country"} <= columns:
            return view, columns
    raise ConfigError(
        f"explain {kpi.name} of {period}",
        f"it is over {', '.join(kpi.over)}, where no view of the mart has both {period.kind} and country",
        "ask for a quarter, as 2026-Q3" if "quarter" in kpi.dimensions else "see the dashboards, which have it",
    )


def _query(kpi: Kpi, period: Period, view: str) -> sql.Composed:
    parts = [sql.SQL(",\n    {}").format(sql.SQL(part)) for part in _parts(kpi)]
    return sql.SQL(QUERY).format(
        everywhere=sql.Literal(kpi_runs.EVERYWHERE),
        expression=sql.SQL(kpi.expression.strip()),
        value=sql.Identifier(kpi.name),
        parts=sql.SQL("").join(parts),
        view=postgres.qualified(view),
        column=sql.Identifier(period.kind),
        start=sql.Literal(period.start),
    )


def _parts(kpi: Kpi) -> list[str]:
    found = list(dict.fromkeys(PART.findall(kpi.expression)))
    return found if found != [kpi.expression] else []


def _is_complete(cursor: Cursor, view: str, columns: set[str], period: Period) -> bool | None:
    if "is_complete" not in columns:
        return None
    query = sql.SQL("select bool_and(is_complete) from {} where {} = %s")
    found: bool | None = postgres.value(
        cursor, query.format(postgres.qualified(view), sql.Identifier(period.kind)), (period.start,)
    )
    return found


def _known(cursor: Cursor, view: str, period: Period) -> str:
    query = sql.SQL("select min({0}), max({0}) from {1}")
    [(first, last)] = postgres.rows(cursor, query.format(sql.Identifier(period.kind), postgres.qualified(view)))
    if first is None:
        return "load a date with orders first: DailyWarehouseLoad --date YYYY-MM-DD"
    return f"take one from {Period(period.kind, first)} to {Period(period.kind, last)}"


def _unkept(cursor: Cursor, kpi: Kpi, period: Period) -> str:
    if period.kind != "month" or kpis.MONTHLY not in kpi.over:
        return f"mart.kpi_run keeps what loads changed of months, of KPIs over {kpis.MONTHLY} alone"
    if postgres.value(cursor, "select to_regclass('mart.kpi_run') is null"):
        return "the next load begins to keep what loads change"
    return ""


def _changes(cursor: Cursor, kpi: Kpi, period: Period) -> list[Any]:
    return postgres.rows(cursor, CHANGES, {"kpi": kpi.name, "month": period.start})


def _limits(kpi: Kpi) -> list[str]:
    """The limit of the KPI, and those of the alerts that watch it."""
    side = "above" if kpi.good == "less" else "below"
    own = [] if kpi.limit is None else [f"{side} {kpis.shown(kpi, kpi.limit)} is beyond the limit"]
    return own + [
        f"alert {rule.name}: {side} {kpis.shown(rule.kpi, rule.kpi.limit)}, {rule.when} months, "
        f"{'each country' if rule.by else 'all countries together'}"
        for rule in kpi_limits.rules()
        if rule.kpi.name == kpi.name
    ]


QUERY = """\
select
    case when grouping(country) = 1 then {everywhere} else country end as country,
    {expression} as {value}{parts}
from {view}
where {column} = {start}
group by grouping sets ((country), ())
order by grouping(country) desc, country"""
# Marker and values are written by one transaction, whose begin is the instant of the marker.
LAST_LOAD = """
select load_date, inserted from etl.marker
where update_id like 'DailyWarehouseLoad(%%'
order by inserted desc limit 1
"""
CHANGES = """
select
    newest.country,
    (
        select earlier.value from mart.kpi_run as earlier
        where
            (earlier.month, earlier.country, earlier.kpi) = (newest.month, newest.country, newest.kpi)
            and earlier.written_ts < newest.written_ts
        order by earlier.written_ts desc limit 1
    ) as before,
    newest.load_date,
    newest.written_ts
from mart.kpi_run as newest
where newest.is_newest and newest.kpi = %(kpi)s and newest.month = %(month)s
"""
