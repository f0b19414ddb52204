"""Watermarks as instants: where a window begins and ends, and that it ends no later than its date."""

import datetime as dt
from collections.abc import Iterable, Iterator

from pipeline.lake import forms, seals
from pipeline.lake.objects import Lake

BEGINNING = "-infinity"


def instant(text: str) -> dt.datetime:
    """A watermark as an instant; the beginning is before all others, and those of purchases are in UTC."""
    found = dt.datetime.min if text == BEGINNING else dt.datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)


def end_of(date: dt.date) -> dt.datetime:
    """The instant at which a date is over."""
    return dt.datetime.combine(date + dt.timedelta(days=1), dt.time(), dt.UTC)


def to_watermark(lake: Lake, key: str, form: forms.Form, date: dt.date) -> str | None:
    """Up to where the file of a date says that it is extracted; None where there is no such file. Raises BadExtract."""
    fields = seals.read(lake, key, form)
    if fields is None:
        return None
    to = str(fields["to_watermark"])
    require_within(lake, key, date, to)
    return to


def require_within(lake: Lake, key: str, date: dt.date, to: str) -> None:
    """Raises BadExtract for a date that is said to be extracted beyond its end: all later ones would begin there."""
    if instant(to) - dt.datetime.combine(date, dt.time(), dt.UTC) > dt.timedelta(days=1):
        raise seals.foreign(lake, key, f"it says that {date} is extracted up to {to}, which is beyond its end")


def name_of(instant: dt.datetime) -> str:
    """How a folder is named after an instant, to the second. The order of names is that of instants.

    >>> name_of(dt.datetime(2026, 11, 19, 8, 30, tzinfo=dt.UTC))
    '20261119T083000Z'
    """
    return f"{instant.astimezone(dt.UTC):%Y%m%dT%H%M%SZ}"


def before(lake: Lake, where: str, date: dt.date, untils: Iterable[str]) -> Iterator[tuple[dt.date, str | None]]:
    """The dates and instants that may have been extracted earlier, the newest first.

    `untils` are those of the date itself. Usually a caller needs yesterday alone, and then nothing is listed.
    """
    yield from ((date, until) for until in sorted(untils, reverse=True))
    yesterday = date - dt.timedelta(days=1)
    yield yesterday, None
    for day in reversed(lake.dates(where)):
        if day < date:
            if day != yesterday:
                yield day, None
            yield from ((day, until) for until in reversed(lake.untils(where, day)))
