"""Moments as whole microseconds since 1970 (UTC): quick to add, compare and cut into days."""

import datetime as dt

EPOCH = dt.datetime(1970, 1, 1)
MICROSECOND = dt.timedelta(microseconds=1)
SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def micros(moment: dt.datetime) -> int:
    """Microseconds since 1970 of a moment in UTC."""
    return (moment.replace(tzinfo=None) - EPOCH) // MICROSECOND


def midnight(date: dt.date) -> int:
    """The moment at which a date begins."""
    return (date.toordinal() - EPOCH.toordinal()) * DAY


def stamp(moment: int) -> str:
    """A moment in PostgreSQL's form for a session in UTC.

    >>> stamp(midnight(dt.date(2026, 11, 19)) + 5)
    '2026-11-19T00:00:00.000005'
    """
    return (EPOCH + moment * MICROSECOND).isoformat()
