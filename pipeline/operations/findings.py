"""Findings in the state of a warehouse that need attention, and what to do about them."""

import datetime as dt
from collections.abc import Iterable, Mapping

from pipeline.catalog import FACTS, FEEDS, SOURCE_TABLES
from pipeline.kernel import postgres
from pipeline.kernel.config import Settings
from pipeline.kernel.postgres import Cursor
from pipeline.operations.state import (
    ERROR,
    MISSING,
    WARN,
    Check,
    Compared,
    Day,
    Deletion,
    Finding,
    Queue,
    Rejected,
    Status,
    Unread,
    Watermark,
    WholePass,
)

HOURS_AHEAD = 1  # by which the clocks of source and warehouse may differ
OF_FEEDS = {name for name, fact in FACTS.items() if set(fact.sources) <= set(FEEDS)}
STAGE_TABLES = {table.short: name for name, table in SOURCE_TABLES.items()}
SHORT = {name: table.short for name, table in SOURCE_TABLES.items()}


def of(status: Status, loads: Mapping[dt.date, dt.datetime], now: dt.datetime, settings: Settings) -> list[Finding]:
    """All that needs attention of a state; `loads` are the dates whose load is done, and since when."""
    return [
        *([] if loads or status.days else [nothing_loaded(now)]),
        *_unfinished(status.days, loads),
        *_late(status.watermarks, now, settings.max_lag_hours),
        *_ahead(status.watermarks),
        *_failed_checks(status.checks),
        *_overdue(status.passes, "check", loads, now, settings.check_whole_days),
        *_overdue(status.passes, "comparison", loads, now, settings.reconcile_days),
        *waits_too_long(status.queue, settings.max_queue_hours),
        *_rejections(status.rejected, max(loads, default=None)),
        *_unread(status.unread),
        *_differing(status.differing),
        *_deletions(status.deletions, max(loads, default=None)),
    ]


def waits_too_long(waiting: Iterable[Queue], max_hours: float) -> list[Finding]:
    """Rows that have waited for too many hours, but not yet for so many days that the alarm ends.

    Vendors name unknown customers every day. The status lists their rows and raises no alarm.
    """
    return [
        Finding(
            WARN,
            f"{each.recent_rows:,} rows of {each.fact} wait for {each.dimension}, the oldest for "
            f"{each.oldest_recent_hours:,.0f} h",
            f"see that the source has these rows (etl.reprocessing_queue names them); with {each.dimension} they heal",
        )
        for each in waiting
        if each.oldest_recent_hours > max_hours and each.fact not in OF_FEEDS
    ]


def prepared(cursor: Cursor, name: str) -> list[Finding]:
    """The prepared transactions of a database, which hold their locks until somebody ends them."""
    return [
        Finding(
            WARN,
            f"the {name} database has the prepared transaction {gid!r} of role {owner!r}, since {since:%Y-%m-%d %H:%M}",
            f"if nobody is about to end it, run {rollback} there, as that role or a superuser",
        )
        for gid, owner, since, rollback in postgres.rows(cursor, PREPARED)
    ]


def _unfinished(days: list[Day], loads: Mapping[dt.date, dt.datetime]) -> list[Finding]:
    found = []
    for day in days:
        # The load of a later date brings the missing rows of an earlier one.
        healed = max((ended for date, ended in loads.items() if date >= day.date), default=None)
        failed = [run for run in day.failed if healed is None or run.finished > healed]
        again = f"run .venv/bin/luigi --module pipeline DailyWarehouseLoad --date {day.date}"
        if failed:
            first = min(failed, key=lambda run: run.finished)
            others = f" and {len(failed) - 1} more" if len(failed) > 1 else ""
            found.append(Finding(ERROR, f"{day.date}: {first.name}{others} failed: {first.error}", f"then {again}"))
        elif day.layers["load"] == MISSING and day.seconds:
            found.append(Finding(ERROR, f"{day.date}: its load did not come to an end", again))
    return found


def _late(watermarks: list[Watermark], now: dt.datetime, max_hours: float) -> list[Finding]:
    behind = [each for each in watermarks if each.table not in FEEDS and each.lag_hours > max_hours]
    if not behind:
        return []
    worst = max(behind, key=lambda each: each.lag_hours)
    return [
        Finding(
            ERROR,
            f"stage is {worst.lag_hours:,.0f} h behind the clock (max_lag_hours is {max_hours:g})",
            f"load what is missing: {_load(now)}",
        )
    ]


def _ahead(watermarks: list[Watermark]) -> list[Finding]:
    """Finds extracts beyond the source's clock. They come from another writer of the lake, or from a wrong clock."""
    return [
        Finding(
            ERROR,
            f"stage.{each.table} is said to be loaded up to {each.loaded_to:%Y-%m-%d %H:%M}, which is yet to come",
            f"delete the extracts of {STAGE_TABLES[each.table]} on the lake that say so, then run "
            f".venv/bin/luigi --module pipeline RebuildTable --table {STAGE_TABLES[each.table]}",
        )
        for each in watermarks
        if each.table in STAGE_TABLES and each.lag_hours < -HOURS_AHEAD
    ]


def _failed_checks(checks: list[Check]) -> list[Finding]:
    return [
        Finding(
            check.severity,
            f"{check.date}: the check {check.name} found {check.failures:,} rows",
            f"see these with the query that etl.check_result has for {check.name} of that date",
        )
        for check in checks
        if check.failures
    ]


def _overdue(
    passes: list[WholePass], kind: str, loads: Mapping[dt.date, dt.datetime], now: dt.datetime, days: int
) -> list[Finding]:
    """What the loads should have seen whole within so many days, by their dates and by the clock.

    By both: a backfill loads many dates in an hour, and what no load does on time is late and not overdue. The first
    load counts as a comparison of all tables.
    """
    if not loads or days <= 0:
        return []
    newest, first, began = max(loads), min(loads), min(loads.values())
    late = [
        each
        for each in passes
        if each.kind == kind
        and (newest - (each.date or first)).days >= days
        and now - (each.passed_ts or began) >= dt.timedelta(days)
    ]
    if not late:
        return []
    oldest = min(late, key=lambda each: each.date or first)
    others = f" and {len(late) - 1} more" if len(late) > 1 else ""
    since = f"since {oldest.date}" if oldest.date else "yet"
    run = f"run .venv/bin/luigi --module pipeline {{}} --date {newest}"
    what, do = {
        "check": (
            f"the check {oldest.name}{others} has not passed on everything {since} (check_whole_days is {days})",
            f"{run.format('CheckWarehouse')} --whole, and do what it says",
        ),
        "comparison": (
            f"{oldest.name}{others}: not found like the source {since} (reconcile_days is {days})",
            f"{run.format('ReconcileSource')} --repair, and do what it says",
        ),
    }[kind]
    return [Finding(WARN, what, do)]


def _rejections(rejected: list[Rejected], last: dt.date | None) -> list[Finding]:
    """Of the newest load alone: those before it were told of in their time."""
    rows = sum(each.rows for each in rejected if last and each.date >= last)
    if not rows:
        return []
    return [
        Finding(
            WARN, f"{last}: {rows:,} input rows were rejected", "see etl.rejected_row, and fix them at their source"
        )
    ]


def _unread(unread: Iterable[Unread]) -> list[Finding]:
    return [
        Finding(
            WARN,
            f"{each.files:,} files in {each.folder} are not read, {each.reason}: {each.names}",
            "have them delivered as docs/feeds.md says, or take them away; the next load looks again",
        )
        for each in unread
    ]


def _differing(differing: list[Compared]) -> list[Finding]:
    if not differing:
        return []
    date = max(each.date for each in differing)
    tables = ", ".join(f"{each.rows:,} rows of {each.table}" for each in differing)
    return [
        Finding(
            ERROR,
            f"{date}: source and warehouse differ in {tables}",
            f"run .venv/bin/luigi --module pipeline ReconcileSource --date {date} --repair, and do what it says",
        )
    ]


def _deletions(deletions: list[Deletion], last: dt.date | None) -> list[Finding]:
    """Of the newest load and what was not finished since, as of rejected rows."""
    return [
        Finding(
            WARN,
            str(each),
            f"see that the source deleted them on purpose: stage.{SHORT[each.table]} keeps them, with etl_deleted_ts",
        )
        for each in deletions
        if last is None or each.date >= last
    ]


def nothing_loaded(now: dt.datetime) -> Finding:
    """That the warehouse is empty."""
    return Finding(WARN, "nothing was loaded yet", f"run `make demo`, or load a date: {_load(now)}")


def outdated(migrations: list[str]) -> Finding:
    """That the warehouse lacks these migrations."""
    return Finding(
        WARN,
        f"the warehouse is of an earlier version, {len(migrations)} migrations behind",
        "take a backup, then run .venv/bin/luigi --module pipeline CreateWarehouse; the next load does so too",
    )


def _load(now: dt.datetime) -> str:
    return f".venv/bin/luigi --module pipeline DailyWarehouseLoad --date {now.date() - dt.timedelta(days=1)}"


PREPARED = """
select gid, owner::text, prepared, format('rollback prepared %L', gid) from pg_prepared_xacts
where database = current_database()
order by prepared, gid
"""
