"""Reads the state of a warehouse from the notes of its loads and from its rows."""

import datetime as dt

from pipeline.catalog import DIMENSIONS, FACTS, FEEDS, LAYERS, SOURCE_TABLES, tasks
from pipeline.kernel import postgres, sql_files
from pipeline.kernel.config import Settings
from pipeline.kernel.postgres import Cursor
from pipeline.operations import findings, following
from pipeline.operations.outcome import DAILY
from pipeline.operations.state import (
    DONE,
    FAILED,
    LATER,
    MISSING,
    RUNNING,
    UNDER_WAY,
    Check,
    Compared,
    Day,
    Deletion,
    Queue,
    Rejected,
    Run,
    Status,
    Unread,
    Watermark,
    WholePass,
)
from pipeline.operations.summary import UNREAD, layer_of
from pipeline.star import schema

# The tasks of every date, by family and table. A feed's are not among them: without a delivery they do not run.
EXTRACTS = {("ExtractTable", name) for name in SOURCE_TABLES}
EXPECTED = {*(("LoadStage", name) for name in SOURCE_TABLES), (DAILY, "")}
IN_POSTGRESQL = {
    *(("LoadDimension", name) for name in DIMENSIONS),
    *(("LoadFact", fact.name) for fact in FACTS.values() if not set(fact.sources) <= set(FEEDS)),
    ("CheckWarehouse", ""),
}
ON_THE_LAKE = {("LoadLakeStar", "")}


def _columns(is_alone: bool) -> dict[str, set[str]]:
    """The columns of the table of dates, and whose runs each stands for."""
    star = {task for task, _ in ON_THE_LAKE}
    moving = tasks(is_alone=is_alone).items()
    return {
        **{layer: {task for task, moves in moving if moves.layer == layer} for layer in LAYERS},
        "mart": star if is_alone else {"LoadMart"},
        "checks": star if is_alone else {"CheckWarehouse", "CheckMart"},
        "load": {DAILY},
    }


def read(cursor: Cursor, now: dt.datetime, days: int, settings: Settings) -> Status:
    """The state of the warehouse, with the newest `days` dates for which anything was run.

    Of one that an earlier version made only that is said. Raises CannotUpgrade for one of a later version.
    """
    if postgres.value(cursor, "select to_regclass('etl.task_run') is null"):
        return Status(findings=[findings.nothing_loaded(now)])
    if migrations := schema.pending(cursor):
        return Status(findings=[findings.outdated(migrations)])
    found = postgres.rows(cursor, LOADS)
    loads = {date: inserted for date, inserted, is_under_way in found if date and not is_under_way}
    under_way = {date: inserted for date, inserted, is_under_way in found if is_under_way}
    dates = [dt.date.fromisoformat(date) for (date,) in postgres.rows(cursor, DATES, {"days": days})]
    runs = [Run(*row) for row in postgres.rows(cursor, RUNS, {"from": str(min(dates, default=now.date()))})]
    markers = set(postgres.rows(cursor, MARKERS, {"dates": dates}))
    is_running = postgres.value(cursor, IS_RUNNING)
    status = Status(
        days=[_day(date, runs, markers, loads, under_way, is_running, settings) for date in dates],
        missing=_missing({*loads, *dates}, now),
        watermarks=_watermarks(cursor),
        queue=queue(cursor, settings),
        rejected=[Rejected(*row) for row in postgres.rows(cursor, REJECTED, {"from": min(dates, default=now.date())})],
        unread=_unread(cursor),
        differing=_differing(cursor),
        deletions=_deletions(cursor, min(dates, default=now.date())),
        checks=_checks(cursor),
        passes=_passes(cursor),
        following=following.read(cursor),
    )
    status.findings = findings.of(status, under_way | loads, now, settings)
    status.findings += following.findings(status.following, now)
    return status


def queue(cursor: Cursor, settings: Settings) -> list[Queue]:
    """The rows that wait for a dimension, by fact and dimension."""
    return [Queue(*row) for row in postgres.rows(cursor, QUEUE, {"days": settings.queue_alarm_days})]


def _differing(cursor: Cursor) -> list[Compared]:
    if postgres.value(cursor, "select to_regclass('etl.reconciliation') is null"):
        return []
    return [Compared(*row) for row in postgres.rows(cursor, DIFFERING)]


def _deletions(cursor: Cursor, since: dt.date) -> list[Deletion]:
    """The rows that were marked as deleted for dates from `since` on."""
    if postgres.value(cursor, "select to_regclass('etl.deletion') is null"):
        return []
    return [Deletion(*row) for row in postgres.rows(cursor, DELETIONS, {"since": since})]


def _missing(known: set[dt.date], now: dt.datetime) -> list[dt.date]:
    last = max(known, default=now.date())
    return [last + dt.timedelta(days=n) for n in range(1, (now.date() - last).days)]


def _day(
    date: dt.date,
    runs: list[Run],
    markers: set[tuple[dt.date, str, str]],
    loads: dict[dt.date, dt.datetime],
    under_way: dict[dt.date, dt.datetime],
    is_running: bool,
    settings: Settings,
) -> Day:
    own = [run for run in runs if run.date == date]
    ran = {(run.task, run.table): run for run in own}
    done = {(task, name) for day, task, name in markers if day == date}
    # That a load was done is for its marker to say: it may have been cleared since.
    done |= {key for key, run in ran.items() if run.status == DONE and run.task != DAILY}
    failed = [run for run in own if run.status == FAILED]
    extracts = {("ExtractLog", "")} if settings.reads_log else EXTRACTS
    is_alone = settings.lakehouse.is_alone
    star = ON_THE_LAKE if is_alone else IN_POSTGRESQL | ({("LoadMart", "")} if settings.mart else set())
    expected = EXPECTED | extracts | star
    # A date that is done did not need the tasks that it did not run.
    missing = set() if date in loads else expected - done - {(run.task, run.table) for run in failed}
    layers, opened = {}, {}
    for column, of_column in _columns(is_alone).items():
        failures = sum(run.task in of_column for run in failed)
        absent = sum(task in of_column for task, _ in missing)
        layers[column] = FAILED if failures else MISSING if absent else DONE
        opened[column] = failures or absent
    if layers["load"] != DONE and any(later > date for later in loads):
        layers["load"] = LATER
    elif layers["load"] == MISSING and own and is_running:
        layers["load"] = RUNNING
    elif layers["load"] == MISSING and date in under_way:
        layers["load"] = UNDER_WAY
    written = sum(run.rows for run in own if layer_of(run.task) == "dwh")
    return Day(date, layers, opened, written, sum(run.seconds for run in own), failed)


def _watermarks(cursor: Cursor) -> list[Watermark]:
    return [Watermark(*row) for row in postgres.rows(cursor, WATERMARKS)]


def _unread(cursor: Cursor) -> list[Unread]:
    if postgres.value(cursor, "select to_regclass('etl.unread_file') is null"):
        return []
    return [Unread(*row) for row in postgres.rows(cursor, UNREAD)]


def _checks(cursor: Cursor) -> list[Check]:
    if postgres.value(cursor, "select to_regclass('etl.check_result') is null"):
        return []
    return [Check(*row) for row in postgres.rows(cursor, CHECKS)]


def _passes(cursor: Cursor) -> list[WholePass]:
    """Those of each source table, and of each check that has run and still exists."""
    if postgres.value(cursor, "select to_regclass('etl.whole_pass') is null"):
        return []
    found = {(kind, name): WholePass(kind, name, *rest) for kind, name, *rest in postgres.rows(cursor, PASSES)}
    checks = [("check", path.removeprefix("checks/")) for path in sql_files.files("checks")]
    tables = [("comparison", name) for name in SOURCE_TABLES]
    return [
        *(found[key] for key in checks if key in found),
        *(found.get(key, WholePass(*key, date=None, passed_ts=None)) for key in tables),
    ]


LOADS = """
select load_date, max(inserted), update_id like '%% until %%'
from etl.marker
where update_id like 'DailyWarehouseLoad(%%'
group by 1, 3
"""
# The newest dates of any run, each found by the index and not by reading the log.
DATES = """
with recursive found as (
    (select max(params ->> 'date') as date from etl.task_run)
    union all
    select (select max(params ->> 'date') from etl.task_run where params ->> 'date' < found.date)
    from found
    where found.date is not null
)

select date from found where date is not null limit %(days)s
"""
RUNS = """
select distinct on (date, task, name)
    (params ->> 'date')::date as date, task, coalesce(params ->> 'table', params ->> 'feed', '') as name, status,
    finished, error, coalesce(rows, 0), extract(epoch from finished - started)::float
from etl.task_run
where params ->> 'date' >= %(from)s
order by date, task, name, started desc
"""
MARKERS = """
select
    load_date, split_part(update_id, '(', 1),
    case when update_id ~ '^Load(Stage|Dimension|Fact)[(]' then regexp_replace(target_table, '^[a-z]+[.]', '')
    else '' end
from etl.marker
where load_date = any(%(dates)s) and update_id not like 'DailyWarehouseLoad(%% until %%'
"""
IS_RUNNING = """
select exists (
    select from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid() and application_name = 'oceanrecords warehouse'
)
"""
WATERMARKS = """
select table_name, loaded_to, lag_hours::float from mart.watermark_lag
where isfinite(loaded_to)
order by loaded_to, table_name
"""
# By dimension too, which mart.queue_depth does not tell.
QUEUE = """
with

waiting as (
    select *, queued_ts > now() - make_interval(secs => 86400 * %(days)s) as is_recent from etl.queue_count
)

select
    fact_table, dimension, sum(waiting_rows)::bigint, (extract(epoch from now() - min(queued_ts)) / 3600)::float,
    coalesce(sum(waiting_rows) filter (where is_recent), 0)::bigint,
    coalesce(extract(epoch from now() - min(queued_ts) filter (where is_recent)) / 3600, 0)::float
from waiting
group by fact_table, dimension
order by fact_table, dimension
"""
REJECTED = """
select source, load_date, reason, rows from mart.rejected_rows
where load_date >= %(from)s
order by source, load_date, reason
"""
# A comparison may be of some tables alone.
DIFFERING = """
with

newest as (
    select distinct on (table_name)
        load_date, table_name, missing + changed + vanished + dwh_missing + dwh_changed + dwh_vanished as rows
    from etl.reconciliation
    order by table_name, compared_ts desc
)

select load_date, table_name, rows from newest where rows > 0 order by table_name
"""
DELETIONS = """
select load_date, table_name, sum(rows)::bigint from etl.deletion
where load_date >= %(since)s
group by load_date, table_name
order by load_date, table_name
"""
CHECKS = """
select distinct on (check_name) check_name, severity, load_date, checked_ts, failures
from etl.check_result
order by check_name, load_date desc
"""
PASSES = "select kind, name, load_date, passed_ts from etl.whole_pass"
