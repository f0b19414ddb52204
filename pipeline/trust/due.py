"""When source and warehouse are to be compared by themselves."""

import datetime as dt

from pipeline.catalog import SOURCE_TABLES
from pipeline.kernel import postgres
from pipeline.kernel.postgres import Cursor


def is_due(warehouse: Cursor, date: dt.date, days: int) -> bool:
    """Whether a warehouse that was first loaded so many days before a date was not found to be right since.

    A comparison that found a difference, or did not come to its end, stays due.
    """
    values = {"since": date - dt.timedelta(days=days), "date": date, "tables": len(SOURCE_TABLES)}
    due: bool = postgres.value(warehouse, DUE, values)
    return due


DUE = """
select
    exists (select from etl.marker where load_date <= %(since)s)
    and coalesce(
        (
            select count(*) filter (
                where missing + changed + vanished + dwh_missing + dwh_changed + dwh_vanished = 0
            ) < %(tables)s
            from etl.reconciliation
            where load_date > %(since)s and load_date <= %(date)s
            group by load_date
            order by max(compared_ts) desc
            limit 1
        ),
        true
    )
"""
