"""The summary of a load and the KPIs, as plain tables for a terminal."""

import datetime as dt
from collections.abc import Iterable, Sequence

from pipeline import kpis
from pipeline.catalog import LAYERS, Moves, tasks
from pipeline.kernel import postgres
from pipeline.kernel.config import settings
from pipeline.kernel.errors import printable
from pipeline.kernel.postgres import Cursor, sql
from pipeline.operations.outcome import Outcome, Task

MONTHS = 6
OF_SOURCE = ("ExtractTable", "CopySource", "ExtractLog")  # the tasks that bring rows of the source
MOST_NAMED = 8  # tasks in one line

RUNS = """
select distinct on (task, name)
    task, split_part(coalesce(params ->> 'table', params ->> 'feed', ''), '.', -1) as name, status, coalesce(rows, 0),
    extract(epoch from finished - started)::float
from etl.task_run
where params ->> 'date' = %(date)s
order by task, name, started desc
"""
QUEUE = "select fact_table, dimension, sum(waiting_rows)::bigint from etl.queue_count group by 1, 2"
CONTENTS = {
    "orders": "select count(*) from dwh.fact_order",
    "order lines": "select count(*) from dwh.fact_order_line",
    "reviews": "select count(*) from dwh.fact_review",
    "of these positive": "select count(*) from dwh.fact_review where positive_review",
    "items of partners' orders": "select count(*) from dwh.fact_partner_order",
    "customers with a risk score": "select count(*) from dwh.dim_customer where risk_score is not null",
    "days of customers who buy and review": "select count(*) from dwh.user_behavior_metric",
}
# Of a star that is on the lake alone: what the mart has of it.
CONTENTS_OF_LAKE = {
    "orders": "select sum(orders) from mart.agg_order_month",
    "reviews": "select sum(reviews) from mart.agg_review_month",
    "of these positive": "select sum(positive_reviews) from mart.agg_review_month",
    "customers with a risk score": "select sum(customers) from mart.agg_risk_customer where risk_score > 0",
    "days of customers who buy and review": "select sum(customer_days) from mart.agg_behavior_day",
}
WITHOUT_CUSTOMER = "select without_customer from etl.user_purchase_day where day = %(date)s"
UNREAD = "select folder, reason, files, names from etl.unread_file order by folder, reason"
REJECTED = "select source, reason, rows from mart.rejected_rows where load_date = %(date)s order by source, reason"
DELETED = "select table_name, sum(rows)::bigint from etl.deletion where load_date = %(date)s group by 1 order by 1"
SHOWN = (
    "sales",
    "orders",
    "average_order_value",
    "lost_order_rate",
    "lost_order_deviation",
    "average_fulfilment_days",
)
KPIS = "select month, {} from mart.kpi_monthly where month <= %(date)s order by month desc limit %(months)s"


def of_date(cursor: Cursor, date: dt.date) -> str:
    """The summary of a day's load: rows per table and layer, seconds, queue, rejected and deleted rows, KPIs.

    Rows are those the day moved: extracted; new or newer in stage; inserted or updated in dwh.
    """
    runs = postgres.rows(cursor, RUNS, {"date": str(date)})
    return "\n".join(
        [
            f"\nLoad of {date}",
            _tables(runs),
            _steps(runs),
            *_waiting(postgres.rows(cursor, QUEUE)),
            *_rejected(postgres.rows(cursor, REJECTED, {"date": date})),
            *_unread(postgres.rows(cursor, UNREAD)),
            *_deleted(postgres.rows(cursor, DELETED, {"date": date})),
            *_without_customer(postgres.rows(cursor, WITHOUT_CUSTOMER, {"date": date})),
            "",
            kpi_table(cursor, date, MONTHS) if settings().mart else "no KPIs: mart = 0 in luigi.cfg",
        ]
    )


def layer_of(task: str) -> str:
    """The layer into which a task moves rows; empty if it moves none."""
    moves = _moving().get(task)
    return moves.layer if moves else ""


def _moving() -> dict[str, Moves]:
    return tasks(is_alone=settings().lakehouse.is_alone)


def of_failure(outcome: Outcome) -> str:
    """The end of a command that failed: the first failure and its reason, the others, and the next step."""
    lines = [f"\n{headline(outcome)}"]
    if outcome.failed:
        first, *others = outcome.failed
        lines += [f"First failed {first.name}:", f"    {printable(first.error)}"]
        if kept := outcome.kept_by_first:
            lines.append(f"Not run because of it: {_names(kept)}")
        if others:
            lines.append(f"Failed too: {_names(others)}")
        rest = [task for task in outcome.not_run if task not in kept]
        if rest and others:
            lines.append(f"Not run because of these: {_names(rest)}")
    elif outcome.not_run:
        lines.append(f"Left to another command, or held by luigid: {_names(outcome.not_run)}")
    if outcome.cut_short:
        lines.append(f"It was cut short: {outcome.cut_short}")
    if outcome.command:
        lines += ["Once the cause is fixed, run this; what is done is not done again:", f"    {outcome.command}"]
    else:
        lines.append("Once the cause is fixed, run the same command again; what is done is not done again.")
    return "\n".join(lines)


def headline(outcome: Outcome) -> str:
    """The end of a command in one line."""
    ended = "failed" if outcome.failed else "did not finish"
    counts = f"{len(outcome.failed)} failed, {len(outcome.not_run)} not run, {len(outcome.done)} done"
    return f"{subject(outcome)} {ended}: of its tasks {counts}."


def subject(outcome: Outcome) -> str:
    """Names a command in a sentence, by the dates of its loads."""
    dates = sorted({load.date for load in outcome.loads})
    if not dates:
        return "The command"
    return f"The load of {dates[0]}" + (f" to {dates[-1]}" if dates[1:] else "")


def _names(tasks: Sequence[Task]) -> str:
    more = f" and {len(tasks) - MOST_NAMED} more" if len(tasks) > MOST_NAMED else ""
    return ", ".join(task.name for task in tasks[:MOST_NAMED]) + more


def line(cursor: Cursor, date: dt.date) -> str:
    """The same in one line: rows extracted and written to dwh, seconds of all tasks, waiting rows."""
    runs = postgres.rows(cursor, RUNS, {"date": str(date)})
    extracted = sum(rows for task, *_, rows, _ in runs if task in OF_SOURCE)
    written = sum(rows for task, *_, rows, _ in runs if layer_of(task) == "dwh")
    seconds = sum(took for *_, took in runs)
    waiting = sum(count for *_, count in postgres.rows(cursor, QUEUE))
    failed = "".join(f", {name or task} FAILED" for task, name, status, _, _ in runs if status == "failed")
    moved = f"{extracted:>9,} rows extracted {written:>9,} written"
    unread = sum(files for *_, files, _ in postgres.rows(cursor, UNREAD))
    not_read = f", {unread:,} files not read" if unread else ""
    return f"{date} {moved} in {seconds:.1f} s of tasks, {waiting:,} waiting{not_read}{failed}"


def contents(cursor: Cursor) -> str:
    """The contents of the warehouse: rows of each fact, and customers with a risk score."""
    lines = []
    for name, query in (CONTENTS_OF_LAKE if settings().lakehouse.is_alone else CONTENTS).items():
        lines.append([name, f"{postgres.value(cursor, query) or 0:,}"])
    return table(["in the warehouse", "rows"], lines)


def kpi_table(cursor: Cursor, date: dt.date, months: int) -> str:
    """The KPI table of the last months up to a date; a month that the date does not end is marked with *."""
    tomorrow = date + dt.timedelta(days=1)
    shown = [kpis.kpis()[name] for name in SHOWN]
    query = sql.SQL(KPIS).format(sql.SQL(", ").join(map(sql.Identifier, SHOWN)))
    lines = []
    for month, *values in reversed(postgres.rows(cursor, query, {"date": date, "months": months})):
        in_progress = (month.year, month.month) == (tomorrow.year, tomorrow.month)
        lines.append([f"{month:%Y-%m}{'*' if in_progress else ''}", *map(kpis.shown, shown, values)])
    return table(["month", *(kpi.short for kpi in shown)], lines)


def table(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A plain table: the first column to the left, the others to the right; names in it end no line.

    >>> print(table(["table", "rows"], [["orders", "12"]]))
    table   rows
    ------  ----
    orders    12
    """
    lines = [header, *([printable(cell) for cell in line] for line in lines)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "  ".join(cell.rjust(width) if column else cell.ljust(width) for column, (cell, width) in enumerate(cells))
        for cells in (list(zip(line, widths, strict=True)) for line in lines)
    )


def _tables(runs: list[tuple[str, str, str, int, float]]) -> str:
    """One line per table: the rows of each layer it has, and the seconds of all its tasks."""
    lines: dict[str, list[str]] = {}
    seconds: dict[str, float] = {}
    for task, name, status, rows, took in runs:
        if moves := _moving().get(task):
            name = name or moves.table
            line = lines.setdefault(name, ["", "", ""])
            line[LAYERS.index(moves.layer)] = f"{rows:,}" if status == "done" else "failed"
            seconds[name] = seconds.get(name, 0) + took
    return table(
        ["table", "extracted", "stage", "dwh", "seconds"],
        [[name, *line, f"{seconds[name]:.2f}"] for name, line in sorted(lines.items())],
    )


def _steps(runs: list[tuple[str, str, str, int, float]]) -> str:
    seconds: dict[str, float] = {}
    for task, _, _, _, took in runs:
        seconds[task] = seconds.get(task, 0) + took
    return "seconds per step: " + ", ".join(f"{task} {took:.2f}" for task, took in sorted(seconds.items()))


def _waiting(queue: list[tuple[str, str, int]]) -> list[str]:
    if not queue:
        return ["reprocessing queue: empty"]
    return [f"reprocessing queue: {count:,} rows of {fact} wait for {dimension}" for fact, dimension, count in queue]


def _rejected(rejected: list[tuple[str, str, int]]) -> list[str]:
    return [f"rejected: {count:,} rows of {source}: {reason}" for source, reason, count in rejected]


def _unread(unread: list[tuple[str, str, int, str]]) -> list[str]:
    return [f"not read: {files:,} in {folder}, {reason}: {names}" for folder, reason, files, names in unread]


def _deleted(deleted: list[tuple[str, int]]) -> list[str]:
    return [f"WARNING: {count:,} rows of {table} were marked as deleted" for table, count in deleted]


def _without_customer(days: list[tuple[int]]) -> list[str]:
    return [
        f"user_purchase: {count:,} rows without a customer are kept out of the metric" for (count,) in days if count
    ]
