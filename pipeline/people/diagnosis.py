"""What the doctor says: one line for each thing that it looked at."""

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pipeline.kernel.errors import OceanError
from pipeline.operations.state import ERROR, WARN, Finding

OK = "ok"
SECONDS_APART = 60  # of two clocks, before that is said


@dataclass(frozen=True)
class Line:
    """What was looked at, how it is (ok, warn or error), what was found, and the next step; none where it is ok."""

    topic: str
    severity: str
    what: str
    do: str = ""


def failed(topic: str, error: OceanError) -> Line:
    """An error as a line."""
    cannot, because, do = error.args
    return Line(topic, ERROR, f"cannot {cannot}, because {because}", do)


def of_findings(topic: str, found: Iterable[Finding]) -> list[Line]:
    """Findings of the status as lines."""
    return [Line(topic, each.severity, each.what, each.do) for each in found]


def guarded(topic: str, look: Callable[[], list[Line]]) -> list[Line]:
    """The lines of one look; where it fails, that is the line."""
    try:
        return look()
    except OceanError as error:
        return [failed(topic, error)]


def clock(topic: str, before: dt.datetime, there: dt.datetime, after: dt.datetime, most: dt.timedelta | None) -> Line:
    """How far a clock is from this machine's, which was read `before` and `after`; `most` is where it is an error."""
    apart = there - (before + (after - before) / 2)
    seconds = abs(apart.total_seconds())
    way = "ahead of" if apart > dt.timedelta(0) else "behind"
    if seconds <= SECONDS_APART:
        return Line(topic, OK, "its clock is this machine's")
    severity = ERROR if most and abs(apart) > most else WARN
    return Line(topic, severity, f"its clock is {seconds:,.0f} s {way} this machine's", "have both synchronised (NTP)")
