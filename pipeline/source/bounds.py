"""The bound of a date: up to where all its tables are extracted, so that no row can still appear below it."""

import datetime as dt

from pipeline.kernel import postgres
from pipeline.kernel.errors import BadExtract, SourceUnsafe
from pipeline.kernel.postgres import Cursor
from pipeline.lake import forms, seals
from pipeline.lake.objects import Lake
from pipeline.source import source_clock
from pipeline.source.instants import BEGINNING, before, end_of, instant, to_watermark
from pipeline.source.layout import FOLDER

BOUNDS = f"{FOLDER}/bound"
# What our extracts are called in pg_stat_activity: they only read, so no bound has to wait for them.
PURPOSE = "extract"


def choose(
    cursor: Cursor, lake: Lake, date: dt.date, end: dt.datetime, lag: dt.timedelta, until: str | None = None
) -> str:
    """Fixes the common `to` of all tables of a date, or of a date under way and the instant `until`, and returns it.

    It is `end`, but below the start of every transaction of the source that can still commit, and never below the
    bound of an earlier date or instant nor beyond the end of the date. A rerun finds the bound that was chosen first.

    Raises SourceUnsafe where the source does not show when its open transactions began.
    """
    known = _read(lake, date, until)
    if known is None:
        known = safe(cursor, lake, date, end, lag, until)
        lake.write(key_of(date, until), seals.seal({"date": str(date), "to_watermark": known}))
    return known


def safe(
    cursor: Cursor, lake: Lake, date: dt.date, end: dt.datetime, lag: dt.timedelta, until: str | None = None
) -> str:
    """The instant that `choose` fixes, which is not written anywhere."""
    return _safe(cursor, min(end, end_of(date)), lag, _latest(lake, date, until) or BEGINNING)


def key_of(date: dt.date, until: str | None = None) -> str:
    """Where the bound of a date, or of a date under way and an instant, lies on the lake."""
    return f"{BOUNDS}/date={date}/{f'until={until}/' if until else ''}bound.json"


def untils(lake: Lake, date: dt.date, until: str | None = None) -> list[str]:
    """The instants up to which a date was extracted while it was under way, in order; those before `until` alone."""
    return [each for each in lake.untils(BOUNDS, date) if until is None or each < until]


def chosen(lake: Lake, date: dt.date, until: str | None = None) -> str:
    """The common `to` of all tables of a date or an instant. Raises BadExtract when none was chosen."""
    known = _read(lake, date, until)
    if known is None:
        raise BadExtract(f"extract the tables of {date}", "no bound was chosen", "run ChooseBound for the date first")
    return known


def _latest(lake: Lake, date: dt.date, until: str | None) -> str | None:
    """The bound before that of a date or an instant."""
    earlier = before(lake, BOUNDS, date, untils(lake, date, until))
    return next((known for day, instant in earlier if (known := _read(lake, day, instant))), None)


def _read(lake: Lake, date: dt.date, until: str | None = None) -> str | None:
    return to_watermark(lake, key_of(date, until), forms.BOUND, date)


def _safe(cursor: Cursor, end: dt.datetime, lag: dt.timedelta, floor: str) -> str:
    """The newest bound up to `end` below which every row is visible, but not below `floor`.

    A row's updated_ts is at the earliest the start of its transaction (now()). What was open at an earlier extract
    had begun after that extract's bound. So `floor` is safe whatever is open, and it is all that is known of a
    prepared transaction: PostgreSQL remembers when one was prepared, not when it began.
    """
    if postgres.value(cursor, "select pg_is_in_recovery()"):
        raise SourceUnsafe(
            "choose how far to extract",
            "the source is a standby, which does not show the open transactions of its primary",
            "point OPERATIONAL_URL at the primary",
        )
    # The clock first: a transaction that begins after this reading begins after the bound.
    now = source_clock.now(cursor)
    hidden = postgres.value(cursor, HIDDEN_TRANSACTIONS)
    if hidden:
        raise SourceUnsafe(
            "choose how far to extract",
            f"{hidden} open transactions do not show when they began",
            "grant pg_read_all_stats to the role in OPERATIONAL_URL, and leave track_activities on",
        )
    oldest = postgres.value(cursor, OLDEST_TRANSACTION, {"own": f"oceanrecords {PURPOSE}"})
    # After the sessions: a transaction that is prepared in between was still one of them.
    if postgres.value(cursor, "select count(*) from pg_prepared_xacts where database = current_database()"):
        return floor
    safe: str = min(end, min(now, oldest or now) - lag).astimezone(dt.UTC).isoformat()
    return max(safe, floor, key=instant)


# Neither an autovacuum worker nor a sender of WAL writes rows, and an autovacuum may run for hours.
OLDEST_TRANSACTION = """
select min(xact_start) from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid() and application_name <> %(own)s
and backend_type not in ('autovacuum worker', 'walsender')
"""
# A role without pg_read_all_stats sees that another role's session is in a transaction, but not since when; nor does
# anybody of a session that switched track_activities off.
HIDDEN_TRANSACTIONS = """
select count(*) from pg_stat_activity as activity
where datname = current_database() and (query = '<insufficient privilege>' or state = 'disabled') and exists (
    select from pg_locks where pg_locks.pid = activity.pid and pg_locks.locktype = 'virtualxid'
)
"""
