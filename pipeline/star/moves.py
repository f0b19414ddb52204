"""The notes of a load of dwh for the mart: the old state of rows, or the request to count everything again.

Each function works in the caller's transaction, before dwh is written.
"""

from pipeline.catalog import Dimension, Fact
from pipeline.kernel import postgres, writes
from pipeline.kernel.postgres import Cursor
from pipeline.kernel.sql_files import statement


def keep_before(cursor: Cursor, target: Dimension | Fact) -> None:
    """Keeps what the mart counts of the rows in `work.<target>` before they are written: facts, or what moves them.

    Does nothing for a table that the mart does not look at, or if the mart will count everything again. A rerun keeps
    the first state of a row.
    """
    if target.before and not postgres.value(cursor, "select exists (select from mart.refill)"):
        before = f"mart.{target.before}"
        columns = writes.columns_of(cursor, before)
        writes.insert_missing(cursor, before, columns, statement(f"work/aggregate/{target.before}"))


def ask_for_refill(cursor: Cursor, reason: str) -> None:
    """Makes the next `mart.keep` count everything again; `reason` is for people."""
    cursor.execute("insert into mart.refill (reason) values (%s)", (reason,))
