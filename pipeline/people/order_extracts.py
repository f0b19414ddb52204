"""Where on the lake the rows of an order came from: folder, file and line."""

import csv
import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from pipeline.catalog import SOURCE_TABLES, SourceTable
from pipeline.kernel.errors import BadExtract, ServiceDown
from pipeline.kernel.postgres import Cursor
from pipeline.lake.compressed import CANNOT_UNPACK, Source
from pipeline.lake.objects import Lake
from pipeline.people.records import Record, records
from pipeline.source.layout import LOG, Metadata, metadata_in, missing
from pipeline.source.log import windows


@dataclass(frozen=True)
class Place:
    """A row in a file of an extract: its key, and the line at which it begins; the header is line 1.

    `change` is what the log says of it: I, U, D or K; empty in an extract of rows.
    """

    key: tuple[int, ...]
    file: str
    line: int
    change: str


@dataclass(frozen=True)
class Extract:
    """An extract, repair or window that stage's rows came from. `problem`: why it could not be read."""

    table: str
    folder: str
    batch: int
    loaded_ts: dt.datetime
    extracted_at: str | None = None
    places: list[Place] = field(default_factory=list)
    problem: str = ""


def of(cursor: Cursor, lake: Lake, staged: Mapping[str, Sequence[Record]], order_id: int) -> list[Extract]:
    """The extracts of the batches that stage's rows of an order have, by table. Raises ServiceDown without a lake."""
    found = []
    for name, rows in staged.items():
        table = SOURCE_TABLES[name]
        batches = sorted({row["etl_batch"] for row in rows})
        loads = records(cursor, LOADS, {"table": table.short, "batches": batches})
        found += [_extract(lake, table, load, order_id) for load in loads]
    return found


def _extract(lake: Lake, table: SourceTable, load: Record, order_id: int) -> Extract:
    try:
        files = _files(lake, table, load["folder"])
        places = [place for each in files for place in _places(lake, table, each, order_id)]
        return Extract(table.name, **load, extracted_at=files[0].extracted_at if files else None, places=places)
    except BadExtract as error:
        return Extract(table.name, **load, problem=str(error))


def _files(lake: Lake, table: SourceTable, folder: str) -> list[Metadata]:
    """The files of a table in a folder: one, or in a window of the log one for each version of the columns."""
    if folder.startswith(f"{LOG}/"):
        return windows.read(lake, windows.end_of(lake, folder)).of(table.name)
    found = metadata_in(lake, folder)
    if found is None:
        raise missing(lake, folder, "ExtractTable")
    return [found]


def _places(lake: Lake, table: SourceTable, found: Metadata, order_id: int) -> Iterator[Place]:
    """The rows of an order in a file, which is read as a stream: memory stays flat."""
    key = f"{found.folder}/{found.data}"
    body = lake.open(key)
    if body is None:
        raise missing(lake, found.folder, "ExtractTable")
    with closing(body):
        try:
            yield from _matching(Source(body, lambda _: None), table, found, order_id)
        except ServiceDown:
            raise
        except (*CANNOT_UNPACK, UnicodeDecodeError, csv.Error, ValueError) as error:
            because = f"its bytes are not those that were written ({type(error).__name__})"
            raise BadExtract(f"read {lake.url}/{key}", because, "restore it from a version of the bucket") from None


def _matching(source: Source, table: SourceTable, found: Metadata, order_id: int) -> Iterator[Place]:
    reader = csv.reader(source.text(found.data))
    header = next(reader)
    columns = [header.index(name) for name in table.key]
    change = header.index("etl_op") if found.is_of_log else None
    wanted, line = str(order_id), reader.line_num + 1
    for row in reader:
        if row[columns[0]] == wanted:
            values = tuple(int(row[column]) for column in columns)
            yield Place(values, found.data, line, "" if change is None else row[change])
        line = reader.line_num + 1  # a value may hold line ends


LOADS = """
select folder, batch, loaded_ts from etl.stage_load
where table_name = %(table)s and batch = any(%(batches)s)
order by batch, folder
"""
