"""Turns: what looks at everything does so once within a period of days, and not all on one date.

Each check of the whole warehouse and each comparison of a source table has a day of the period. `etl.whole_pass` keeps
when each last found everything right.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from pipeline.kernel import postgres
from pipeline.kernel.postgres import Cursor

CHECK, COMPARISON = "check", "comparison"


class Pass(NamedTuple):
    """The date whose load last found everything right (None: never), and whether it failed or was left out since."""

    date: dt.date | None
    is_owed: bool


NEVER = Pass(None, is_owed=False)


def due(
    names: Sequence[str], date: dt.date, days: int, passes: Mapping[str, Pass], *, backwards: bool = False
) -> list[str]:
    """Those of `names` whose turn it is on a date: it is their day of the period, or they are overdue.

    Overdue are those without a pass within `days`, and those that are owed. `names` begin with the heavy ones, which
    get days of their own; `backwards` counts the days from the end, so that two lists do not meet in their heavy ones.
    With `days` of 0 nothing has a day, and only what is owed is due.
    """
    is_their_day = _day_of(date, days, backwards) if days > 0 else -1
    places = _places(len(names), days)
    return [
        name
        for name, place in zip(names, places, strict=True)
        if _is_due(passes.get(name, NEVER), date, days, is_its_day=place == is_their_day)
    ]


def _is_due(known: Pass, date: dt.date, days: int, *, is_its_day: bool) -> bool:
    if known.is_owed or days <= 0:
        return known.is_owed
    if known.date is None:
        return True
    # Dates are also loaded against their order: what a later date saw was seen as long ago.
    gap = abs((date - known.date).days)
    return gap >= days or (is_its_day and gap > 0)


def _day_of(date: dt.date, days: int, backwards: bool) -> int:
    day = date.toordinal() % days
    return days - 1 - day if backwards else day


def _places(count: int, days: int) -> list[int]:
    """The day of the period of each of so many names, spread evenly.

    Where there are more names than days, every second round goes back, so that the lightest join the heaviest.

    >>> _places(3, 7), _places(7, 3)
    ([0, 2, 4], [0, 1, 2, 2, 1, 0, 0])
    """
    if days <= 0:
        return [0] * count
    rounds = (divmod(number * max(days, count) // count, days) for number in range(count))
    return [days - 1 - place if turn % 2 else place for turn, place in rounds]


def passes(cursor: Cursor, kind: str) -> dict[str, Pass]:
    """What is known of each check, or of the comparison of each source table."""
    query = "select name, load_date, is_owed from etl.whole_pass where kind = %s"
    return {name: Pass(date, is_owed) for name, date, is_owed in postgres.rows(cursor, query, (kind,))}


def note(cursor: Cursor, kind: str, name: str, date: dt.date, *, passed: bool) -> None:
    """Notes that one has looked at everything with the load of a date. One that did not pass is owed until it does."""
    if passed:
        cursor.execute(PASSED, (kind, name, date))
    else:
        owe(cursor, kind, [name])


def owe(cursor: Cursor, kind: str, names: Iterable[str]) -> None:
    """Makes these due at the next load, whatever its date."""
    cursor.execute(OWED, (kind, list(names)))


PASSED = """
insert into etl.whole_pass as known (kind, name, load_date, passed_ts, is_owed) values (%s, %s, %s, now(), false)
on conflict (kind, name)
do update set load_date = excluded.load_date, passed_ts = excluded.passed_ts, is_owed = false
"""
OWED = """
insert into etl.whole_pass (kind, name, is_owed) select %s, unnest(%s::text[]), true
on conflict (kind, name) do update set is_owed = true
"""
