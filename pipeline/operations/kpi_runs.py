"""mart.kpi_run: what each KPI of a month was after the loads that changed it."""

import datetime as dt

from pipeline import kpis
from pipeline.kernel import locks
from pipeline.kernel.postgres import Cursor, sql
from pipeline.kpis import Kpi

EVERYWHERE = "everywhere"  # no country that anybody is given


def kept() -> list[Kpi]:
    """The KPIs whose values are kept: those of months and countries."""
    return [kpi for kpi in kpis.kpis().values() if kpis.MONTHLY in kpi.over]


def note(cursor: Cursor, date: dt.date) -> int:
    """Adds the values that differ from the newest known ones, as those of a load; returns how many.

    A rerun adds nothing. Of two loads at once the second one waits for the first, and compares with what it wrote.
    """
    # By name: a lock of the table would stand in the way of CreateWarehouse, which makes the views again.
    locks.lock(cursor, "mart.kpi_run")
    expressions = (sql.SQL("{} as {}").format(sql.SQL(kpi.expression), sql.Identifier(kpi.name)) for kpi in kept())
    pairs = (sql.SQL("({}, {})").format(sql.Literal(kpi.name), sql.Identifier(kpi.name)) for kpi in kept())
    statement = sql.SQL(NOTE).format(expressions=sql.SQL(", ").join(expressions), pairs=sql.SQL(", ").join(pairs))
    cursor.execute(statement, {"date": date, "everywhere": EVERYWHERE})
    return cursor.rowcount


# Six decimals: beyond them a ratio may differ by how it was divided alone. A month of a country that no order is left
# in has no row in the view any more, so that both sides are kept in the join.
NOTE = """
with

measured as (
    select month, case when grouping(country) = 1 then %(everywhere)s else country end as country, {expressions}
    from mart.kpi_monthly_country
    group by grouping sets ((month, country), (month))
),

found as (
    select measured.month, measured.country, pair.kpi, round(pair.value, 6) as value
    from measured
    cross join lateral (values {pairs}) as pair (kpi, value)
),

changed as (
    select month, country, kpi, found.value
    from found
    full join (select month, country, kpi, value from mart.kpi_run where is_newest) as known
        using (month, country, kpi)
    where found.value is distinct from known.value
),

replaced as (
    update mart.kpi_run as known set is_newest = false
    from changed
    where
        known.is_newest
        and (known.month, known.country, known.kpi) = (changed.month, changed.country, changed.kpi)
)

insert into mart.kpi_run (month, country, kpi, written_ts, load_date, value, is_newest)
select month, country, kpi, statement_timestamp(), %(date)s, value, true
from changed
"""
