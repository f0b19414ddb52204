"""The notes of a load of dwh for the mart: the old state of rows, or the request to count everything again.

Each function works in the caller's transaction, before dwh is written.
"""

from pipeline.catalog import Dimension, Fact
from pipeline.kernel import postgres, writes
from pipeline.kernel.postgres import Cursor, qualified, sql
from pipeline.kernel.sql_files import statement


def keep_before(cursor: Cursor, fact: Fact) -> None:
    """Keeps the old state of the rows in `work.<fact>` before they are written.

    Does nothing for a fact that the mart does not count, or if the mart will count everything again. A rerun keeps the
    first state of a row.
    """
    if fact.before and not postgres.value(cursor, "select exists (select from mart.refill)"):
        before = f"mart.{fact.before}"
        columns = writes.columns_of(cursor, before)
        writes.insert_missing(cursor, before, columns, statement(f"work/aggregate/{fact.before}"))


def notice_moves(cursor: Cursor, dimension: Dimension) -> None:
    """Asks for new aggregates if `work.<dimension>` changes the column by which the mart counts facts."""
    if not dimension.counted_by:
        return
    query = sql.SQL(
        "select exists (select from {work} as work inner join {dwh} as old using ({key}) "
        "where work.{place} is distinct from old.{place})"
    ).format(
        work=qualified(f"work.{dimension.name}"),
        dwh=qualified(f"dwh.{dimension.name}"),
        key=sql.Identifier(dimension.key[0]),
        place=sql.Identifier(dimension.counted_by),
    )
    if postgres.value(cursor, query):
        ask_for_refill(cursor, f"{dimension.counted_by} of {dimension.name} changed")


def ask_for_refill(cursor: Cursor, reason: str) -> None:
    """Makes the next `mart.keep` count everything again; `reason` is for people."""
    cursor.execute("insert into mart.refill (reason) values (%s)", (reason,))
