"""Which tables a load compares with the source by itself."""

import datetime as dt

from pipeline.catalog import SOURCE_TABLES
from pipeline.kernel import postgres
from pipeline.kernel.postgres import Cursor
from pipeline.trust import turns


def tables(warehouse: Cursor, date: dt.date, days: int) -> list[str]:
    """The source tables whose turn it is on a date, so that each is compared once within so many days.

    The first load of the warehouse counts as a comparison of all. A table in which one found a difference stays due.
    """
    first = postgres.value(warehouse, "select min(load_date) from etl.marker")
    loaded = turns.Pass(min(first or date, date), is_owed=False)
    known = dict.fromkeys(SOURCE_TABLES, loaded) | turns.passes(warehouse, turns.COMPARISON)
    return turns.due(list(SOURCE_TABLES), date, days, known, backwards=True)


def tables_of_round(warehouse: Cursor, date: dt.date, days: int) -> list[str]:
    """The same for a round of `follow`; none if a comparison began within the last hour, however it ended.

    It reads whole tables and waits for open transactions, and rounds come every minute. What it finds may be there
    again at once: rows that are rejected, columns that cannot be used.
    """
    found = tables(warehouse, date, days)
    return [] if found and postgres.value(warehouse, COMPARED_LATELY) else found


COMPARED_LATELY = """
select exists (
    select from etl.task_run where task = 'ReconcileSource' and started > clock_timestamp() - interval '1 hour'
)
"""
