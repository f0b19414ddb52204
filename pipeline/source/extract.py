"""One table of the source, the rows that changed in a window, as the files of an extract on the lake.

A window is half-open, `from <= updated_ts < to`. `from` is the `to` of the table's previous extract; `to` is one
bound for all tables of a date, below which no row can still appear in the source.
"""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pipeline.catalog import SourceTable
from pipeline.kernel import clock, postgres
from pipeline.kernel.config import Settings
from pipeline.kernel.errors import BadExtract
from pipeline.kernel.postgres import Cursor, identifiers, qualified, sql
from pipeline.kernel.streams import Writable
from pipeline.lake import forms, seals
from pipeline.lake.compressed import Sink
from pipeline.lake.objects import Lake
from pipeline.source import zones
from pipeline.source.columns import EARLIEST, END, Column, create_table, read_columns
from pipeline.source.instants import BEGINNING, before, to_watermark
from pipeline.source.layout import METADATA, SUCCESS, Metadata, folder, folders
from pipeline.source.pace import Paced

# What a database says that keeps texts of other encodings than its own, as one of SQL_ASCII may.
NOT_UTF8 = (postgres.errors.CharacterNotInRepertoire, postgres.errors.UntranslatableCharacter)


# Bytes sent so far, rows read so far, and about how many there are, if that is known.
Progress = Callable[[int, int, int | None], None]


def silent(_sent: int, _rows: int, _expected: int | None) -> None:
    """Tells nobody."""


class NothingNew(Exception):
    """There is no row in a window that must have one."""


@dataclass(frozen=True)
class Window:
    """What changed from `begin` until `end`; of that only what `condition` takes, and only rows with one of `keys`.

    Of one that may not be empty nothing is written where there is no row. With a position `to_lsn` in the source's log
    it is all rows, whatever their watermarks, as they were at that position or later.
    """

    begin: str
    end: str
    condition: sql.Composable | None = None
    keys: sql.Composable | None = None
    may_be_empty: bool = True
    to_lsn: str | None = None


def extract(
    cursor: Cursor,
    lake: Lake,
    table: SourceTable,
    date: dt.date,
    to: str,
    settings: Settings,
    progress: Progress = silent,
    *,
    until: str | None = None,
    untils: Sequence[str] = (),
) -> Metadata | None:
    """Writes one table's extract up to `to` and returns its metadata; `progress` is told how far it is.

    Of a date under way it is the extract of the instant `until`; where nothing is new since the last extract, nothing
    is written, and None returned. `untils` are the instants up to which the date was extracted before.

    The caller sees to it that no other process extracts the same table and date. Memory does not grow with the
    table. Before `_SUCCESS` nothing counts, so a rerun after a kill writes the folder again.

    Raises SchemaDrift when the source's columns are not what the warehouse needs, BadExtract when its texts are not.
    """
    earlier = before(lake, folders(table.name), date, untils)
    begin = next((end for day, instant in earlier if (end := _end(lake, table.name, day, instant))), BEGINNING)
    window = Window(begin, to, may_be_empty=until is None or begin == BEGINNING)
    try:
        return write(cursor, lake, table, folder(table.name, date, until), date, window, settings, progress)
    except NothingNew:
        return None


def write(
    cursor: Cursor,
    lake: Lake,
    table: SourceTable,
    where: str,
    date: dt.date,
    window: Window,
    settings: Settings,
    progress: Progress = silent,
    more: Mapping[str, bytes] | None = None,
) -> Metadata:
    """Writes the rows of a window to the folder `where`, as `extract` does, and `more` files beside them.

    Raises NothingNew, and has written nothing, where there is no row and the window may not be empty.
    """
    columns = read_columns(cursor, table)
    data = f"data.csv.{settings.compression}"
    with lake.upload(f"{where}/{data}") as upload:
        expected = expected_rows(cursor, [table.name]) if window.begin == BEGINNING else None
        paced: Paced | None = None  # gzip writes its head before there is one
        sink = Sink(upload, lambda sent: progress(sent, paced.lines if paced else 0, expected))
        with sink.compressor(data) as compressor:
            paced = Paced(compressor, settings.extract_mb_per_second)
            rows = _copy_out(cursor, table, _query(table, columns, window, settings.source_zone), paced)
        if not (rows or window.may_be_empty):
            raise NothingNew
    found = Metadata(
        table=table.name,
        date=str(date),
        columns=columns,
        primary_key=list(table.key),
        watermark_column=table.watermark,
        from_watermark=window.begin,
        to_watermark=window.end,
        data=data,
        rows=rows,
        bytes=sink.bytes,
        sha256=sink.digest,
        extracted_at=clock.now().isoformat(),
        condition=window.condition.as_string(cursor) if window.condition else None,
        to_lsn=window.to_lsn,
        folder=where,
    )
    ddl = {schema: create_table(schema, table, columns).as_string(cursor).encode() for schema in ("delta", "stage")}
    files = {f"create_{schema}.sql": text for schema, text in ddl.items()}
    files |= {METADATA: found.to_json().encode(), **(more or {})}
    lake.write_all({f"{where}/{name}": text for name, text in files.items()})
    digests = {name: seals.digest(text) for name, text in files.items()}
    lake.write(f"{where}/{SUCCESS}", seals.seal({"status": "done", "to_watermark": window.end, "sha256": digests}))
    return found


def expected_rows(cursor: Cursor, tables: Sequence[str]) -> int | None:
    """About how many rows tables of the source have, as its statistics say; None where they do not, as of a view."""
    found: int | None = postgres.value(cursor, EXPECTED, (list(tables),))
    return found


EXPECTED = """
select case when bool_and(coalesce(relkind in ('r', 'p') and reltuples >= 0, false)) then sum(reltuples)::bigint end
from unnest(%s::text[]) as name left join pg_class on pg_class.oid = to_regclass(name)
"""


def _copy_out(cursor: Cursor, table: SourceTable, query: sql.Composable, sink: Writable) -> int:
    try:
        return postgres.copy_out(cursor, query, sink)
    except NOT_UTF8:
        raise BadExtract(
            f"extract {table.name}",
            "it holds a text that cannot be written in UTF-8",
            "fix the text in the source, or give the source a view of that name that does",
        ) from None


def _query(table: SourceTable, columns: list[Column], window: Window, zone: str) -> sql.Composable:
    """The query of an extract. Rows whose watermark no window ever covers come along, to be rejected by name."""
    unknown = any(column.name == table.watermark and column.nullable for column in columns)
    in_window = sql.SQL(
        "(({watermark} >= {begin} and ({watermark} < {to} or {watermark} >= {end}))"
        " or {watermark} < {earliest}{unknown})"
    ).format(
        watermark=sql.Identifier(table.watermark),
        begin=zones.end(table, columns, window.begin, zone),
        to=zones.end(table, columns, window.end, zone),
        earliest=sql.Literal(EARLIEST),
        end=sql.Literal(END),
        unknown=sql.SQL(" or {} is null").format(sql.Identifier(table.watermark)) if unknown else sql.SQL(""),
    )
    return sql.SQL("select {columns} from {table} where {window}{condition}{keys}").format(
        columns=sql.SQL(", ").join(
            sql.SQL("{} as {}").format(zones.in_utc(table, column, zone), sql.Identifier(column.name))
            for column in columns
        ),
        table=qualified(table.name),
        window=sql.SQL("true") if window.to_lsn else in_window,
        condition=sql.SQL(" and ({})").format(window.condition) if window.condition else sql.SQL(""),
        keys=sql.SQL(" and ({}) in ({})").format(identifiers(table.key), window.keys) if window.keys else sql.SQL(""),
    )


def _end(lake: Lake, table: str, date: dt.date, until: str | None) -> str | None:
    """Up to where a finished extract goes."""
    return to_watermark(lake, f"{folder(table, date, until)}/{SUCCESS}", forms.SUCCESS, date)
