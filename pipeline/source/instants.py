"""Watermarks as instants: where a window begins and ends, and that it ends no later than its date."""

import datetime as dt
from collections.abc import Callable

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


def latest(lake: Lake, where: str, date: dt.date, find: Callable[[dt.date], str | None]) -> str | None:
    """What `find` finds for the nearest earlier date; usually that is yesterday, and then nothing is listed."""
    yesterday = date - dt.timedelta(days=1)
    found = find(yesterday)
    if found is None:
        for day in reversed(lake.dates(where)):
            if day < yesterday and (found := find(day)) is not None:
                break
    return found
