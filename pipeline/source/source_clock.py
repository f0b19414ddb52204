"""The source's clock: its rows bear its time, so it says whether a date has begun and whether it is over."""

import datetime as dt

from pipeline.kernel import postgres
from pipeline.kernel.postgres import Cursor


def now(cursor: Cursor) -> dt.datetime:
    """The source's time. All that asks for it asks here, so a test can put another clock in its place."""
    found: dt.datetime = postgres.value(cursor, "select clock_timestamp()")
    return found
