"""Which tables a load compares with the source by itself."""

import datetime as dt

from pipeline.catalog import SOURCE_TABLES
from pipeline.kernel import postgres
from pipeline.kernel.postgres import Cursor
from pipeline.trust import turns

DIFFERED = """
select table_name from etl.reconciliation
where
    compared_ts > clock_timestamp() - interval '1 hour'
    and missing + changed + vanished + dwh_missing + dwh_changed + dwh_vanished > 0
"""


def tables(warehouse: Cursor, date: dt.date, days: int) -> list[str]:
    """The source tables whose turn it is on a date, so that each is compared once within so many days.

    The first load of the warehouse counts as a comparison of all. A table in which one found a difference stays due.
    """
    first = postgres.value(warehouse, "select min(load_date) from etl.marker")
    loaded = turns.Pass(min(first or date, date), is_owed=False)
    known = dict.fromkeys(SOURCE_TABLES, loaded) | turns.passes(warehouse, turns.COMPARISON)
    return turns.due(list(SOURCE_TABLES), date, days, known, backwards=True)


def tables_of_round(warehouse: Cursor, date: dt.date, days: int) -> list[str]:
    """The same for a round of `follow`, without those in which a comparison left a difference within the last hour.

    A comparison reads a table whole, and rounds come every minute.
    """
    found = tables(warehouse, date, days)
    if not found:
        return []
    differed = {name for (name,) in postgres.rows(warehouse, DIFFERED)}
    return [name for name in found if name not in differed]
