"""Loads feeds into stage: partners' orders, classified reviews, risk scores.

Vendors' feeds have no watermark: etl.feed_date has the loaded version of each date, which changes as soon as a file
comes late or is replaced. Each function works in the caller's transaction, which holds the lock of the feed.
"""

import datetime as dt
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.catalog import FEEDS
from pipeline.kernel import postgres, writes
from pipeline.kernel.errors import OceanError, TooManyRejected
from pipeline.kernel.postgres import Cursor, identifiers, qualified, sql
from pipeline.kernel.rejected import ANY, Allowance, Rejected
from pipeline.kernel.sql_files import statement
from pipeline.kernel.streams import Readable

if TYPE_CHECKING:
    from pipeline.feeds.risk_api import Score


SCORE_COLUMNS = ("customer_id", "risk_score", "date", "answered_ts")


@dataclass(frozen=True)
class Part:
    """One date of a feed in a load: its version, the valid rows, and the rejected ones."""

    date: dt.date
    version: str
    rows: int
    rejected: Sequence[Rejected]


def versions(cursor: Cursor, feed: str) -> dict[dt.date, str]:
    """The loaded dates of a feed, each with its version."""
    return dict(postgres.rows(cursor, "select date, version from etl.feed_date where feed = %s", (feed,)))


def check_rejected(feed: str, part: Part, allowance: Allowance) -> None:
    """Raises TooManyRejected when more of a date's rows cannot be kept than are allowed."""
    count = len(part.rejected)
    if not allowance.allows(count, of=part.rows + count):
        reasons = sorted({rejected.reason for rejected in part.rejected})
        raise TooManyRejected(
            f"load {feed} of {part.date}",
            f"{count} of {part.rows + count} rows cannot be kept ({'; '.join(reasons[:3])})",
            f"have {part.rejected[0].file} delivered again, or run this once with {ANY} to load the rest",
        )


def fill(cursor: Cursor, feed: str, columns: Sequence[str], source: Readable) -> int:
    """Streams CSV with a header into a new delta.<feed> with these columns, and returns its number of rows.

    Raises the attribute `failure` of `source`, if it has one, if the source cannot be read to its end.
    """
    delta, names = qualified(f"delta.{feed}"), identifiers(columns)
    cursor.execute(sql.SQL("drop table if exists {}").format(delta))
    cursor.execute(
        sql.SQL("create unlogged table {} as select {} from {} with no data").format(
            delta, names, qualified(f"stage.{feed}")
        )
    )
    try:
        return postgres.copy_in(cursor, delta, columns, source, "format csv, header match")
    except postgres.Error:
        failure: OceanError | None = getattr(source, "failure", None)
        if failure is not None:  # psycopg2 says no more than that reading failed
            raise failure from None
        raise


def scores_csv(scores: "Iterable[Score]", date: dt.date, answered_at: str) -> Readable:
    """The risk scores of an answer as CSV for `fill`, with the columns SCORE_COLUMNS."""
    rows = (f"{score.customer_id},{score.risk_score},{date},{answered_at}" for score in scores)
    lines = [",".join(SCORE_COLUMNS), *rows]
    return io.BytesIO("\n".join(lines).encode())


def finish(cursor: Cursor, feed: str, parts: Sequence[Part]) -> int:
    """Merges delta.<feed> into stage by warehouse/work/stage/<feed>.sql, and notes what was loaded.

    Only a select whose rows have their date reads the dates of the parts. Returns how many rows of stage are new or
    changed. Forgets the rows that an earlier load of the same dates rejected.
    """
    batch = postgres.value(cursor, "select nextval('etl.batch')")
    dates = [part.date for part in parts]
    table = f"stage.{feed}"
    select = statement(f"work/stage/{feed}", batch=batch, dates=_list(dates))
    columns = writes.columns_of(cursor, table)
    writes.merge(cursor, table, FEEDS[feed], columns, select, ignored=("etl_batch",))
    count = sql.SQL("select count(*) from {} where etl_batch = %s").format(qualified(table))
    changed: int = postgres.value(cursor, count, (batch,))
    cursor.execute("delete from etl.rejected_row where source = %s and date = any(%s)", (feed, dates))
    for part in parts:
        reject(cursor, feed, part.date, part.rejected)
        cursor.execute(NOTE_DATE, (feed, part.date, part.version, part.rows, len(part.rejected)))
    if changed:
        cursor.execute(NOTE_BATCH, {"table": feed, "batch": batch})
    return changed


def reject(cursor: Cursor, feed: str, date: dt.date, rejected: Iterable[Rejected]) -> None:
    """Keeps rows that cannot be loaded."""
    query = 'insert into etl.rejected_row (source, date, file, line, reason, "row") values (%s, %s, %s, %s, %s, %s)'
    for each in rejected:
        cursor.execute(query, (feed, date, each.file, each.line, each.reason, each.row))


def _list(dates: Sequence[dt.date]) -> sql.Composable:
    return sql.SQL(", ").join(map(sql.Literal, dates)) if dates else sql.NULL


NOTE_DATE = """
insert into etl.feed_date (feed, date, version, rows, rejected) values (%s, %s, %s, %s, %s)
on conflict (feed, date) do update set
    version = excluded.version, rows = excluded.rows, rejected = excluded.rejected, loaded_ts = excluded.loaded_ts
"""
NOTE_BATCH = """
insert into etl.stage_batch as known (table_name, first_batch, last_batch, loaded_to)
values (%(table)s, %(batch)s, %(batch)s, now())
on conflict (table_name) do update set last_batch = excluded.last_batch, loaded_to = excluded.loaded_to
"""
