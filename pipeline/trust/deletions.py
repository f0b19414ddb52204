"""Rows that the source does not have any more: how many of a table may be marked as deleted without a confirmation.

A source that was emptied or restored by accident looks like one whose rows were deleted.
"""

import datetime as dt
from collections.abc import Iterable

from pipeline.kernel import postgres
from pipeline.kernel.config import Settings
from pipeline.kernel.errors import TooManyDeleted
from pipeline.kernel.postgres import Cursor, qualified, sql
from pipeline.source.columns import DELETED
from pipeline.trust.reconcile import Difference


def require_few(warehouse: Cursor, date: dt.date, found: Iterable[Difference], settings: Settings) -> None:
    """Returns if the vanished rows of each table may be marked. Raises TooManyDeleted."""
    beyond = [words for each in found if each.vanished and (words := _beyond(warehouse, date, each, settings))]
    if beyond:
        raise TooManyDeleted(
            f"repair the warehouse of {date}",
            f"{', '.join(beyond)} vanished from the source, and no row was marked or repaired",
            "see that OPERATIONAL_URL names the right source and lost nothing; if they were deleted on purpose, "
            f"run .venv/bin/luigi --module pipeline ReconcileSource --date {date} --repair --allow-deletes",
        )


def note(warehouse: Cursor, date: dt.date, found: Difference, *, was_allowed: bool) -> None:
    """Notes that the vanished rows of a table were marked; `was_allowed` if any number of them was allowed."""
    row = (date, found.table.name, len(found.vanished), was_allowed)
    warehouse.execute(
        "insert into etl.deletion (load_date, table_name, rows, was_allowed) values (%s, %s, %s, %s)", row
    )


def _beyond(warehouse: Cursor, date: dt.date, found: Difference, settings: Settings) -> str:
    """Says in words how many rows are too many; empty if they are not.

    Rows that were marked since the comparison before this one count too. So many small deletions pass no more than a
    large one.
    """
    name, vanished, days = found.table.name, len(found.vanished), max(settings.reconcile_days, 1)
    present = _present(warehouse, found)
    marked = postgres.value(
        warehouse, MARKED, {"table": name, "since": date - dt.timedelta(days=days), "days": days - 1}
    )
    if vanished == present:
        return f"all {present:,} rows of {name}"
    most = max(int(settings.max_deleted * (present + marked)), settings.max_deleted_rows)
    if vanished + marked <= most:
        return ""
    before = f" after {marked:,} in the {days} days before" if marked else ""
    return f"{vanished:,} of {present:,} rows of {name}{before} (max_deleted and max_deleted_rows allow {most:,})"


def _present(warehouse: Cursor, found: Difference) -> int:
    if found.present is not None:
        return found.present
    query = sql.SQL("select count(*) from {} where {} is null")
    table, deleted = qualified(f"stage.{found.table.short}"), sql.Identifier(DELETED)
    counted: int = postgres.value(warehouse, query.format(table, deleted))
    return counted


# By the dates of the loads, and by the clock if many dates are loaded in a short time.
MARKED = """
select coalesce(sum(rows), 0)::bigint from etl.deletion
where
    table_name = %(table)s and not was_allowed
    and (load_date > %(since)s or marked_ts > now() - make_interval(days => %(days)s))
"""
