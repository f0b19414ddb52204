"""The one clock of this machine, which is in UTC, and the days that people write."""

import datetime as dt
import re

from pipeline.kernel.errors import ConfigError

WRITTEN = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
DAYS_AGO = {"today": 0, "yesterday": 1}


def now() -> dt.datetime:
    """What time it is."""
    return dt.datetime.now(dt.UTC)


def today() -> dt.date:
    """Which day it is, which is not over."""
    return now().date()


def day(text: str, option: str) -> dt.date:
    """The day that the value of an option means: YYYY-MM-DD, today or yesterday. Raises ConfigError.

    >>> day("2026-11-19", "--date")
    datetime.date(2026, 11, 19)
    """
    if text in DAYS_AGO:
        return today() - dt.timedelta(days=DAYS_AGO[text])
    try:
        if WRITTEN.fullmatch(text):
            return dt.date.fromisoformat(text)
        because = f"{text!r} is not written like one" if text else "it is empty"
    except ValueError as error:  # the 30th of February
        because = f"in {text} the {error}"
    raise ConfigError(f"read {option}", because, "write YYYY-MM-DD, today or yesterday (in UTC)")


def dated(word: str) -> str:
    """A word of a command, as it means the same on any day.

    >>> dated("--local-scheduler")
    '--local-scheduler'
    """
    option, _, value = word.rpartition("=")
    return f"{option}{'=' if option else ''}{day(value, option)}" if value in DAYS_AGO else word
