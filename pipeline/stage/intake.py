"""The rows of an extract as they came, in a table of its own columns; those that cannot be kept are taken out again."""

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing, suppress

from pipeline.catalog import SourceTable
from pipeline.kernel import postgres
from pipeline.kernel import sql_files as files
from pipeline.kernel.errors import BadExtract, TooManyRejected
from pipeline.kernel.postgres import Cursor, identifiers, sql
from pipeline.kernel.rejected import ANY, LONGEST, Allowance
from pipeline.lake.compressed import CANNOT_UNPACK, Source
from pipeline.lake.objects import Lake
from pipeline.source.columns import Fault
from pipeline.source.layout import Metadata
from pipeline.source.log import pgoutput

REPAIR = ".venv/bin/luigi --module pipeline ReconcileSource --date {} --repair"
CSV = "format csv, header match, encoding 'UTF8'"
LONGEST_HEADER = 1 << 20  # more than PostgreSQL's 1,600 columns need
OTHER_BYTES = "its bytes are not those that were written"


def any_faulty(cursor: Cursor, rows: sql.Composable, found: Sequence[Fault]) -> bool:
    """Whether a table holds rows that cannot be kept."""
    if not found:
        return False
    conditions = sql.SQL(" or ").join(condition for condition, _ in found)
    exists: bool = postgres.value(cursor, sql.SQL("select exists (select from {} where {})").format(rows, conditions))
    return exists


def reject(
    cursor: Cursor, delta: sql.Composable, table: SourceTable, found: Metadata, why: Sequence[Fault]
) -> Counter[str]:
    """Moves the rows of delta that cannot be kept to etl.rejected_row, and counts those that are new there by reason.

    Of several reasons a row bears the first.
    """
    cases = sql.SQL(" ").join(sql.SQL("when {} then {}").format(fault, sql.Literal(words)) for fault, words in why)
    variables = {
        "delta": delta,
        "reason": sql.SQL("case {} end").format(cases),
        "source": table.name,
        "date": found.date,
        "file": data_of(found),
        "longest": LONGEST,
        "key": identifiers(table.key, "candidate"),
    }
    return Counter(dict(postgres.rows(cursor, files.statement("write/rejected_row", **variables))))


def forget_rejected(cursor: Cursor, delta: sql.Composable, table: SourceTable) -> None:
    """Takes what was rejected of the rows in delta out of etl.rejected_row: they came again, and can be kept."""
    variables = {"delta": delta, "source": table.name, "key": identifiers(table.key, "candidate"), "longest": LONGEST}
    cursor.execute(files.statement("write/rejected_row_repaired", **variables))


def check_rejected(table: SourceTable, found: Metadata, reasons: Counter[str], allowance: Allowance) -> None:
    """Raises TooManyRejected when more of an extract's rows cannot be kept than are allowed."""
    if not allowance.allows(reasons.total(), of=found.rows):
        this = f"run this once with {ANY} to load the rest"
        raise TooManyRejected(
            f"load {table.name} of {found.date}",
            f"{reasons.total()} of {found.rows} rows cannot be kept ({'; '.join(sorted(reasons))})",
            # What has no key cannot be repaired, but read again: nothing of it was loaded.
            f"fix them in the source, {this}, then run {REPAIR.format(found.date)}"
            if table.key
            else f"fix them in the source, delete {found.folder} on the lake and run this again, or {this}",
        )


def copy(
    cursor: Cursor,
    lake: Lake,
    found: Metadata,
    target: sql.Identifier,
    options: str = CSV,
    progress: Callable[[int], None] = lambda _: None,
) -> None:
    """Streams the data of an extract into a table, and checks it against its metadata.

    Raises BadExtract, before anything commits, when it is not what was written.
    """
    key = data_of(found)
    body = lake.open(key)
    if body is None:
        raise _bad(lake, found, "the file is not there")
    with closing(body):
        source = Source(body, progress)
        try:
            rows = postgres.copy_in(cursor, target, header(found), source.decompressor(key), options)
        except postgres.Error as error:
            if source.failure is not None:  # psycopg2 says no more than that reading failed
                raise source.failure from None
            # Either PostgreSQL refuses a row, or the bytes are not those that were written: only then blame the lake.
            source.drain()
            if source.digest != found.sha256:
                raise _bad(lake, found, OTHER_BYTES) from error
            line = line_in(error.diag.context or "", target.strings[-1])
            if line and isinstance(error, postgres.errors.DataError):
                raise _bad(lake, found, f"PostgreSQL does not take its line {line} ({type(error).__name__})") from error
            raise
        source.drain()
    if (rows, source.bytes, source.digest) != (found.rows, found.bytes, found.sha256):
        raise _bad(lake, found, f"its {rows} rows in {source.bytes} bytes are not those of its metadata")


def header(found: Metadata) -> list[str]:
    """The columns that an extract's data has."""
    return [*(pgoutput.COLUMNS if found.is_of_log else ()), *(column.name for column in found.columns)]


def data_of(found: Metadata) -> str:
    """The key of an extract's data."""
    return f"{found.folder}/{found.data}"


def check(lake: Lake, found: Metadata, size: int | None) -> None:
    """Returns where the data of an extract, of which a listing says the size, is what was written; memory stays flat.

    It is read to its end, and its first line is compared with the columns. Raises BadExtract.
    """
    body = lake.open(data_of(found)) if size == found.bytes else None
    if body is None:
        because = "the file is not there" if size is None else f"it has {size} bytes, not {found.bytes}"
        raise _bad(lake, found, because)
    with closing(body):
        source = Source(body, lambda _: None)
        first_line = _header(source, found)
        source.drain()
    if source.digest != found.sha256:
        raise _bad(lake, found, OTHER_BYTES)
    if first_line != header(found):
        raise _bad(lake, found, "its first line does not name the columns of its metadata")


def _header(source: Source, found: Metadata) -> list[str]:
    """The names in the first line of an extract's data; none where it cannot be unpacked."""
    with suppress(*CANNOT_UNPACK, UnicodeDecodeError, csv.Error):
        plain = source.text(found.data).read(LONGEST_HEADER)
        return next(csv.reader(io.StringIO(plain, newline="")), [])
    return []


def _bad(lake: Lake, found: Metadata, because: str) -> BadExtract:
    do = "fix the source if it is like that there, delete the folder of that date on the lake and rerun"
    return BadExtract(f"load {lake.url}/{data_of(found)}", because, do)


def line_in(context: str, table: str) -> str | None:
    """The number of the line at which a COPY into a table stopped, by the context of its error; None where it has none.

    A server says it in its own language, the table first and then the line. What comes before, and after it on the
    same line, may quote the value.

    >>> line_in("COPY orders, Zeile 5, Spalte price: »7 Euro«", "orders")
    '5'
    """
    found = re.search(rf"^[^\n\d]*{re.escape(table)}[^\n\d]*(\d+)", context, re.MULTILINE)
    return found[1] if found else None
