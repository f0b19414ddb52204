"""How the warehouse is: what was loaded and what was not, how far behind it is, what waits, what was found wrong."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from pipeline.catalog import DIMENSIONS, FACTS, FEEDS, SOURCE_TABLES
from pipeline.kernel import postgres
from pipeline.kernel.config import Settings
from pipeline.kernel.postgres import Cursor
from pipeline.operations.outcome import DAILY
from pipeline.operations.summary import LAYERS, table
from pipeline.star import schema

ERROR, WARN = "error", "warn"
HOURS_AHEAD = 1  # by which the clocks of source and warehouse may differ
STAGE_TABLES = {table.short: name for name, table in SOURCE_TABLES.items()}
DONE, FAILED, MISSING, RUNNING, LATER = "done", "failed", "missing", "running", "by later"

# The columns of the table of dates, and whose runs each stands for.
COLUMNS = {
    **{
        name: {task for task, layer in LAYERS.items() if layer == n}
        for n, name in enumerate(("extract", "stage", "dwh"))
    },
    "mart": {"LoadMart"},
    "checks": {"CheckWarehouse"},
    "load": {DAILY},
}
# The tasks of every date, by family and table. A feed's are not among them: without a delivery they do not run.
EXPECTED = {
    *(("ExtractTable", name) for name in SOURCE_TABLES),
    *(("LoadStage", name) for name in SOURCE_TABLES),
    *(("LoadDimension", name) for name in DIMENSIONS),
    *(("LoadFact", fact.name) for fact in FACTS.values() if not set(fact.sources) <= set(FEEDS)),
    ("CheckWarehouse", ""),
    (DAILY, ""),
}


@dataclass(frozen=True)
class Finding:
    """Something that needs attention: how bad it is, what it is, and what to do."""

    severity: str
    what: str
    do: str


@dataclass(frozen=True)
class Run:
    """The newest run of a task for a date; `table` is empty where it is for none."""

    date: dt.date
    task: str
    table: str
    status: str
    finished: dt.datetime
    error: str | None
    rows: int
    seconds: float

    @property
    def name(self) -> str:
        """The task with its table."""
        return f"{self.task}({self.table})" if self.table else self.task


@dataclass(frozen=True)
class Day:
    """A date: the state of each layer, how many of its tasks are not done, rows written to dwh, seconds."""

    date: dt.date
    layers: dict[str, str]
    open: dict[str, int]
    rows: int
    seconds: float
    failed: list[Run]


@dataclass(frozen=True)
class Watermark:
    """How far a stage table has all changes of its source."""

    table: str
    loaded_to: dt.datetime
    lag_hours: float


@dataclass(frozen=True)
class Queue:
    """Rows of a fact that wait for a row of a dimension, and for how many hours the oldest does."""

    fact: str
    dimension: str
    rows: int
    oldest_hours: float


@dataclass(frozen=True)
class Rejected:
    """Input rows that could not be loaded."""

    source: str
    date: dt.date
    reason: str
    rows: int


@dataclass(frozen=True)
class Check:
    """What the newest run of a check found."""

    name: str
    severity: str
    date: dt.date
    checked_ts: dt.datetime
    failures: int


@dataclass
class Status:
    """The state of a warehouse. Without days it is empty: nothing was ever loaded.

    `missing` are the dates that are over, of which nothing was ever run, and which no later load brought.
    """

    days: list[Day] = field(default_factory=list)
    missing: list[dt.date] = field(default_factory=list)
    watermarks: list[Watermark] = field(default_factory=list)
    queue: list[Queue] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """The same for machines; instants and dates are still to be written as text."""
        return asdict(self)


def read(cursor: Cursor, now: dt.datetime, days: int, settings: Settings) -> Status:
    """The state of the warehouse, with the newest `days` dates for which anything was run.

    Of one that an earlier version made only that is said. Raises CannotUpgrade for one of a later version.
    """
    if postgres.value(cursor, "select to_regclass('etl.task_run') is null"):
        return Status(findings=[_nothing_loaded(now)])
    if migrations := schema.pending(cursor):
        return Status(findings=[_outdated(migrations)])
    loads = {date: inserted for date, inserted in postgres.rows(cursor, LOADS) if date}
    dates = [dt.date.fromisoformat(date) for (date,) in postgres.rows(cursor, DATES, {"days": days})]
    runs = [Run(*row) for row in postgres.rows(cursor, RUNS, {"from": str(min(dates, default=now.date()))})]
    markers = set(postgres.rows(cursor, MARKERS, {"dates": dates}))
    is_running = postgres.value(cursor, IS_RUNNING)
    status = Status(
        days=[_day(date, runs, markers, loads, is_running, settings) for date in dates],
        missing=_missing({*loads, *dates}, now),
        watermarks=_watermarks(cursor),
        queue=queue(cursor),
        rejected=[Rejected(*row) for row in postgres.rows(cursor, REJECTED, {"from": min(dates, default=now.date())})],
        checks=_checks(cursor),
    )
    status.findings = [
        *([] if loads or runs else [_nothing_loaded(now)]),
        *_unfinished(status.days, loads),
        *_late(status.watermarks, now, settings.max_lag_hours),
        *_ahead(status.watermarks),
        *_failed_checks(status.checks),
        *waits_too_long(status.queue, settings.max_queue_hours),
        *_rejections(status.rejected, max(loads, default=None)),
    ]
    return status


def queue(cursor: Cursor) -> list[Queue]:
    """What waits for a dimension, by fact and dimension."""
    return [Queue(*row) for row in postgres.rows(cursor, QUEUE)]


def waits_too_long(waiting: Iterable[Queue], max_hours: float) -> list[Finding]:
    """What of it has waited for more hours than that."""
    return [
        Finding(
            WARN,
            f"{each.rows:,} rows of {each.fact} wait for {each.dimension}, the oldest for {each.oldest_hours:,.0f} h",
            f"see that the source has these rows (etl.reprocessing_queue names them); with {each.dimension} they heal",
        )
        for each in waiting
        if each.oldest_hours > max_hours
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


def text(status: Status) -> str:
    """The state for people, without what needs attention."""
    if not status.days:
        return "The warehouse is empty."
    parts = [_days(status.days), *_missing_text(status.missing), ""]
    parts.append(_watermarks_text(status.watermarks))
    if status.checks:
        parts += ["", *_checks_text(status.checks)]
    parts += ["", _queue_text(status.queue), _rejected_text(status.rejected)]
    return "\n".join(parts)


def _missing(known: set[dt.date], now: dt.datetime) -> list[dt.date]:
    last = max(known, default=now.date())
    return [last + dt.timedelta(days=n) for n in range(1, (now.date() - last).days)]


def _day(
    date: dt.date,
    runs: list[Run],
    markers: set[tuple[dt.date, str, str]],
    loads: dict[dt.date, dt.datetime],
    is_running: bool,
    settings: Settings,
) -> Day:
    own = [run for run in runs if run.date == date]
    ran = {(run.task, run.table): run for run in own}
    done = {(task, name) for day, task, name in markers if day == date}
    # That a load was done is for its marker to say: it may have been cleared since.
    done |= {key for key, run in ran.items() if run.status == DONE and run.task != DAILY}
    failed = [run for run in own if run.status == FAILED]
    expected = EXPECTED | ({("LoadMart", "")} if settings.mart else set())
    # What a date that is done did not run, it had no need of.
    missing = set() if date in loads else expected - done - {(run.task, run.table) for run in failed}
    layers, opened = {}, {}
    for column, tasks in COLUMNS.items():
        failures = sum(run.task in tasks for run in failed)
        absent = sum(task in tasks for task, _ in missing)
        layers[column] = FAILED if failures else MISSING if absent else DONE
        opened[column] = failures or absent
    if layers["load"] != DONE and any(later > date for later in loads):
        layers["load"] = LATER
    elif layers["load"] == MISSING and own and is_running:
        layers["load"] = RUNNING
    written = sum(run.rows for run in own if LAYERS.get(run.task) == 2)
    return Day(date, layers, opened, written, sum(run.seconds for run in own), failed)


def _unfinished(days: list[Day], loads: dict[dt.date, dt.datetime]) -> list[Finding]:
    found = []
    for day in days:
        # The load of a later date brings what is missing of an earlier one.
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
    """No source is extracted beyond its clock: what says so came from somebody else's hand, or a clock far ahead."""
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


def _rejections(rejected: list[Rejected], last: dt.date | None) -> list[Finding]:
    """Of the newest load alone: those before it were told of in their time."""
    rows = sum(each.rows for each in rejected if last and each.date >= last)
    if not rows:
        return []
    return [
        Finding(
            WARN, f"{last}: {rows:,} input rows were rejected", "see etl.rejected_row, and mend them at their source"
        )
    ]


def _nothing_loaded(now: dt.datetime) -> Finding:
    return Finding(WARN, "nothing was loaded yet", f"run `make demo`, or load a date: {_load(now)}")


def _outdated(migrations: list[str]) -> Finding:
    return Finding(
        WARN,
        f"the warehouse is of an earlier version, {len(migrations)} migrations behind",
        "take a backup, then run .venv/bin/luigi --module pipeline CreateWarehouse; the next load does so too",
    )


def _load(now: dt.datetime) -> str:
    return f".venv/bin/luigi --module pipeline DailyWarehouseLoad --date {now.date() - dt.timedelta(days=1)}"


def _watermarks(cursor: Cursor) -> list[Watermark]:
    return [Watermark(*row) for row in postgres.rows(cursor, WATERMARKS)]


def _checks(cursor: Cursor) -> list[Check]:
    if postgres.value(cursor, "select to_regclass('etl.check_result') is null"):
        return []
    return [Check(*row) for row in postgres.rows(cursor, CHECKS)]


def _days(days: list[Day]) -> str:
    lines = []
    for day in days:
        cells = [
            f"{state} {day.open[column]}" if state in (FAILED, MISSING) and day.open[column] > 1 else state
            for column, state in day.layers.items()
        ]
        lines.append([str(day.date), *cells, f"{day.rows:,}", f"{day.seconds:.1f}"])
    return table(["date", *COLUMNS, "rows", "seconds"], lines)


def _missing_text(missing: list[dt.date]) -> list[str]:
    if not missing:
        return []
    return [f"missing: {missing[0]}" + (f" to {missing[-1]}, {len(missing)} dates" if len(missing) > 1 else "")]


def _watermarks_text(watermarks: list[Watermark]) -> str:
    if not watermarks:
        return "no stage table was loaded yet"
    groups: dict[tuple[dt.datetime, float], list[str]] = {}
    for each in watermarks:
        groups.setdefault((each.loaded_to, each.lag_hours), []).append(each.table)
    lines = [
        [", ".join(names) if len(names) < 4 else f"{len(names)} tables", f"{to:%Y-%m-%d %H:%M}", f"{lag:,.1f} h"]
        for (to, lag), names in groups.items()
    ]
    return table(["stage", "loaded to (UTC)", "lag"], lines)


def _checks_text(checks: list[Check]) -> list[str]:
    date = max(check.date for check in checks)
    failing = [check for check in checks if check.failures]
    lines = [[check.name, check.severity, str(check.date), f"{check.failures:,}"] for check in failing]
    passed = f"checks up to {date}: {len(checks) - len(failing)} of {len(checks)} passed"
    return [passed, table(["check", "severity", "date", "rows"], lines)] if failing else [passed]


def _queue_text(waiting: list[Queue]) -> str:
    if not waiting:
        return "reprocessing queue: empty"
    lines = [[f"{each.fact} for {each.dimension}", f"{each.rows:,}", f"{each.oldest_hours:,.1f} h"] for each in waiting]
    return table(["waiting in the reprocessing queue", "rows", "oldest"], lines)


def _rejected_text(rejected: list[Rejected]) -> str:
    if not rejected:
        return "rejected rows of these dates: none"
    lines = [[f"{each.source} {each.date}: {each.reason}", f"{each.rows:,}"] for each in rejected]
    return table(["rejected rows", "rows"], lines)


LOADS = "select load_date, inserted from etl.marker where update_id like 'DailyWarehouseLoad(%%'"
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
    (params ->> 'date')::date as date, task, coalesce(params ->> 'table', '') as name, status, finished, error,
    coalesce(rows, 0), extract(epoch from finished - started)::float
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
where load_date = any(%(dates)s)
"""
IS_RUNNING = """
select exists (
    select from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid() and application_name = 'oceanrecords warehouse'
)
"""
WATERMARKS = """
select table_name, loaded_to, (extract(epoch from now() - loaded_to) / 3600)::float
from etl.stage_batch
where isfinite(loaded_to)
order by loaded_to, table_name
"""
PREPARED = """
select gid, owner::text, prepared, format('rollback prepared %L', gid) from pg_prepared_xacts
where database = current_database()
order by prepared, gid
"""
QUEUE = """
select fact_table, dimension, count(*), (extract(epoch from now() - min(queued_ts)) / 3600)::float
from etl.reprocessing_queue
where resolved_ts is null
group by fact_table, dimension
order by fact_table, dimension
"""
REJECTED = """
select source, date, reason, count(*) from etl.rejected_row where date >= %(from)s group by 1, 2, 3 order by 1, 2, 3
"""
CHECKS = """
select distinct on (check_name) check_name, severity, load_date, checked_ts, failures
from etl.check_result
order by check_name, load_date desc
"""
