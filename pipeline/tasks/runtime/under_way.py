"""Dates under way: the instant up to which this command loads one, and the earlier ones still to complete.

A date that is not over is loaded up to now. Each such load has an instant of its own, which names its extracts on the
lake and its markers in the warehouse. It does not complete the date. The first load after the end of the date does.
"""

import datetime as dt
from functools import cache

from pipeline.kernel import postgres
from pipeline.kernel.config import settings
from pipeline.kernel.errors import NotBegun
from pipeline.kernel.postgres import Cursor
from pipeline.lake.objects import lake
from pipeline.source import bounds, instants, source_clock
from pipeline.tasks.runtime.targets import LakeObject


@cache
def until(date: dt.date) -> str | None:
    """The instant up to which this command loads a date under way; None for a date that is over.

    A date whose bound is on the lake is over. A rebuild, which does not ask the source, goes as far as the lake.
    Raises NotBegun for a date that has not begun, by the source's clock.
    """
    if LakeObject(bounds.key_of(date)).exists():
        return None
    if settings().from_lake:
        return next(reversed(bounds.untils(lake(), date)), None)
    now = _now()
    if date > now.date():
        raise NotBegun(
            f"load {date}",
            f"it has not begun: the source's clock says {now:%Y-%m-%d %H:%M} UTC",
            "give an earlier date, or --date today",
        )
    return None if instants.end_of(date) <= now else instants.name_of(now)


@cache
def left_before(date: dt.date) -> list[dt.date]:
    """The earlier dates that were loaded while they were under way and not since, in order."""
    with postgres.session(settings().warehouse_url, "warehouse") as cursor:
        if postgres.value(cursor, "select to_regclass('etl.marker') is null"):
            return []
        return [found for (found,) in postgres.rows(cursor, LEFT, (date,))]


def complete(cursor: Cursor, date: dt.date) -> None:
    """Deletes the loads of a date under way, because it is now loaded to its end."""
    cursor.execute("delete from etl.marker where update_id like '%% until %%' and load_date = %s", (date,))


def supersede(cursor: Cursor, date: dt.date, until: str) -> None:
    """Deletes what was done for loads of a date under way that ended before that up to an instant.

    So their number does not grow. One that still runs beside it keeps what it has done.
    """
    cursor.execute(SUPERSEDE, {"date": date, "until": f"{until})"})


def forget() -> None:
    """Makes the next command of this process read the clock again."""
    until.cache_clear()
    left_before.cache_clear()
    _now.cache_clear()


@cache
def _now() -> dt.datetime:
    with postgres.session(settings().operational_url, "operational", purpose=bounds.PURPOSE) as source:
        return source_clock.now(source).astimezone(dt.UTC)


SUPERSEDE = """
delete from etl.marker
where
    update_id like '%% until %%' and load_date = %(date)s
    and split_part(update_id, ' until ', 2) in (
        select split_part(update_id, ' until ', 2) from etl.marker
        where update_id like 'DailyWarehouseLoad(%% until %%' and load_date = %(date)s
    )
    and split_part(update_id, ' until ', 2) < %(until)s
"""
LEFT = """
select distinct load_date from etl.marker where update_id like '%% until %%' and load_date < %s order by load_date
"""
