"""How far the log is read: the position up to which a date reaches, and the one at which the lake ends."""

import datetime as dt
from typing import NamedTuple

from pipeline.catalog import USER_PURCHASE
from pipeline.kernel.config import Settings
from pipeline.kernel.errors import LogUnreadable
from pipeline.kernel.postgres import Cursor
from pipeline.lake import forms, seals
from pipeline.lake.objects import Lake
from pipeline.source import bounds
from pipeline.source.columns import existing_columns
from pipeline.source.instants import end_of
from pipeline.source.log import lsn, slot, snapshot, windows
from pipeline.source.log.pgoutput import Decoder, instant
from pipeline.source.log.publication import AGAIN
from pipeline.source.log.slot import Log
from pipeline.source.log.windows import Window

# The log is read in windows of no more bytes: the source keeps what it decodes for one on its disk. Some two million
# changes.
MOST_BYTES = 512 << 20


class Bound(NamedTuple):
    """Up to where a date is read: a position, and the source's clock when it was chosen, or the end of the date."""

    end: int
    clock: str
    system: str
    timeline: int


def choose(
    cursor: Cursor,
    lake: Lake,
    date: dt.date,
    until: str | None,
    log: Log,
    begin: int,
    settings: Settings,
) -> None:
    """Fixes up to where a date is read, or a date under way and the instant `until`. A rerun finds what was chosen.

    It is the end of the log; of a date that is over, the first commit after its end, except under simulation, where a
    day is done after it. `begin` is the position at which the lake ends, not far from it. What is read by its times,
    and not from the log, goes up to an instant that is fixed beside it. Raises SourceUnsafe as `bounds.choose` does.
    """
    if chosen(lake, date, until) is not None:
        return
    end, over = log.flush, end_of(date)
    if log.clock >= over and not settings.simulate:
        end = min(end, begin + MOST_BYTES)
        end = first_commit_after(cursor, settings.log_slot, begin, end, over) or end
    found = bound(log, max(begin, end), min(log.clock, over))
    has_purchases = existing_columns(cursor, USER_PURCHASE.name)
    safe = bounds.safe(cursor, lake, date, over, settings.watermark_lag, until) if has_purchases else found.clock
    fields = {**found._asdict(), "date": str(date), "to_watermark": safe, "to_lsn": lsn.text(found.end)}
    del fields["end"]
    lake.write(bounds.key_of(date, until), seals.seal(fields))


def bound(log: Log, end: int, clock: dt.datetime) -> Bound:
    """The bound at a position, which is that of an instant."""
    return Bound(end, clock.astimezone(dt.UTC).isoformat(), log.system, log.timeline)


def chosen(lake: Lake, date: dt.date, until: str | None) -> Bound | None:
    """Up to where a date or an instant is read, if that was chosen; None also where watermarks were chosen for it.

    What was chosen stays. So each process reads it once, for all tables.
    """
    key = bounds.key_of(date, until)
    if (lake, key) not in _chosen:
        fields = seals.read(lake, key, forms.BOUND)
        if fields is None or "to_lsn" not in fields:
            return None
        _chosen[lake, key] = Bound(lsn.number(fields["to_lsn"]), fields["clock"], fields["system"], fields["timeline"])
    return _chosen[lake, key]


_chosen: dict[tuple[Lake, str], Bound] = {}


def last_window(lake: Lake, log: Log, url: str) -> Window:
    """The window at whose end the next one begins.

    Raises LogUnreadable where no log begins on the lake, where the slot has moved on from it, or where the source is
    not the one, or has not the past, that the windows are of.
    """
    assert log.confirmed is not None
    found = windows.ends(lake, log.confirmed)
    if found or windows.is_finished(lake, log.confirmed):
        last = windows.read(lake, found[-1] if found else log.confirmed)
        _require_same_past(last, log, url)
        return last
    raise LogUnreadable(
        "go on reading the source's log",
        f"the slot stands at {lsn.text(log.confirmed)}, and the lake has no window that ends there or later: what lies "
        "between was given to somebody else, or its windows were deleted",
        AGAIN,
    )


def _require_same_past(last: Window, log: Log, url: str) -> None:
    if last.system != log.system:
        raise LogUnreadable(
            "go on reading the source's log",
            f"the windows on the lake are of the server {last.system}, and the source is {log.system}",
            f"point OPERATIONAL_URL at that server, or {AGAIN}",
        )
    if last.timeline == log.timeline:
        if log.flush < last.end:
            raise LogUnreadable(
                "go on reading the source's log",
                f"the lake has it up to {lsn.text(last.end)} ({last.folder}), and the source only up to "
                f"{lsn.text(log.flush)}: it was restored, or somebody else wrote that folder",
                f"delete the folder if it is no window of yours; or {AGAIN}",
            )
        return
    # A timeline branches off another one; what was written to that later is lost.
    branch = snapshot.branched_at(url, log.timeline, last.timeline)
    if branch < last.end:
        raise LogUnreadable(
            "go on reading the source's log",
            f"the lake has it up to {lsn.text(last.end)}, and the source, which was restored or failed over, has "
            f"another one from {lsn.text(branch)} on",
            AGAIN,
        )


class _FirstAfter(Decoder):
    """Looks for the first commit in the order of the log that was made at an instant or later."""

    def __init__(self, begin: int, end: int, after: dt.datetime) -> None:
        super().__init__(begin, end, {}, lambda _: lambda _: None)
        self.after = after
        self.found: int | None = None

    def write(self, data: bytes, /) -> int:
        """Looks at the beginnings of transactions alone."""
        at = self.value_at(data)
        if at and self.found is None and data[at : at + 1] == b"B":
            commit = int.from_bytes(data[at + 1 : at + 9])
            if self.begin <= commit < self.end and instant(data[at + 9 : at + 17]) >= self.after:
                self.found = commit
        return len(data)


def require_reached(log: Log, bound: Bound, date: dt.date) -> None:
    """Returns if the log goes as far as a bound: a window beyond its end would leave out what is yet to be written.

    Raises LogUnreadable.
    """
    if bound.end > log.flush:
        raise LogUnreadable(
            f"read the source's log up to the end of {date}",
            f"its bound on the lake is at {lsn.text(bound.end)}, and the log ends at {lsn.text(log.flush)}",
            f"run the same command again once the log is there; if the source was not failed over, somebody else wrote "
            f"the bound: delete it below {bounds.BOUNDS}/date={date}",
        )


def first_commit_after(cursor: Cursor, name: str, begin: int, end: int, after: dt.datetime) -> int | None:
    """The first commit in the order of the log between two positions that was made at an instant or later."""
    looking = _FirstAfter(begin, end, after)
    slot.copy(cursor, name, end, looking)
    return looking.found
