"""The log of the source, window by window, as files on the lake."""

import datetime as dt
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property

from pipeline.catalog import SOURCE_TABLES
from pipeline.kernel import postgres
from pipeline.kernel.clock import now
from pipeline.kernel.config import Settings
from pipeline.kernel.postgres import Cursor
from pipeline.kernel.streams import Writable
from pipeline.lake.compressed import Sink
from pipeline.lake.forms import type_or_text
from pipeline.lake.objects import Lake
from pipeline.source.columns import Column
from pipeline.source.instants import instant
from pipeline.source.log import slot, windows
from pipeline.source.log.pgoutput import COLUMNS, Decoder, Published, Put, Relation
from pipeline.source.log.positions import MOST_BYTES, Bound
from pipeline.source.log.slot import Log
from pipeline.source.log.windows import File, Window

BLOCK = 1 << 17  # bytes of lines that are compressed at once


def read(
    cursor: Cursor,
    lake: Lake,
    date: dt.date,
    last: Window,
    bound: Bound,
    settings: Settings,
    progress: Callable[[int], None] = lambda _: None,
) -> list[Window]:
    """Brings the log from the end of the `last` window on the lake up to a bound to the lake; returns the new windows.

    Lets the source forget each of them. A rerun after a kill writes the same windows again, and those that are finished
    not at all. The caller sees to it that no other process reads the log. Memory does not grow with a window.
    """
    found = []
    # The source decodes from where the slot stands, whatever the window: here after a kill, below for the next one.
    slot.advance(cursor, settings.log_slot, last.end)
    # By the clock too a window is no earlier than the one before: a date may be loaded after a later one.
    clock = max(last.to_watermark, bound.clock, key=instant)
    while last.end < bound.end:
        end = min(last.end + MOST_BYTES, bound.end)
        read = Window(
            date=date,
            begin=last.end,
            end=end,
            to_watermark=clock,
            system=bound.system,
            timeline=bound.timeline,
            zone=settings.source_zone,
            read_at=now().isoformat(),
            files=[],
        )
        last = replace(read, files=_files(cursor, lake, read, settings, progress))
        windows.finish(lake, last)
        found.append(last)
        slot.advance(cursor, settings.log_slot, last.end)
    return found


def begin(lake: Lake, date: dt.date, at: int, log: Log, zone: str) -> None:
    """Notes on the lake that the log begins at a position: the slot was created there."""
    clock = log.clock.astimezone(dt.UTC).isoformat()
    windows.finish(lake, Window(date, None, at, clock, log.system, log.timeline, zone, now().isoformat(), []))


def _files(
    cursor: Cursor, lake: Lake, window: Window, settings: Settings, progress: Callable[[int], None]
) -> list[File]:
    """Writes the files of a window."""
    assert window.begin is not None
    with ExitStack() as stack:
        writers = _Writers(lake, window.folder, settings.compression, stack, progress)
        slot.copy(cursor, settings.log_slot, window.end, Decoder(window.begin, window.end, SOURCE_TABLES, writers.open))
        written = writers.finish()
    types = _types(cursor, {column for each in written for column in each.relation.columns})
    return [
        File(
            table=each.relation.table.name,
            data=each.data,
            # Any may be NULL: with REPLICA IDENTITY FULL a table needs no key that keeps it out.
            columns=[Column(column.name, types[column]) for column in each.relation.columns],
            rows=each.rows,
            bytes=each.sink.bytes,
            sha256=each.sink.digest,
        )
        for each in written
    ]


class _Writer:
    """The file of a table and a version of its columns, which is opened with the first change."""

    def __init__(self, relation: Relation, data: str, open: Callable[[str], Sink], stack: ExitStack) -> None:
        self.relation, self.data, self.open, self.stack = relation, data, open, stack
        self.lines: list[bytes] = []
        self.size = self.rows = 0

    @cached_property
    def sink(self) -> Sink:
        """Where the compressed bytes go."""
        return self.open(self.data)

    @cached_property
    def compressor(self) -> Writable:
        """Takes the plain bytes; it has taken the names of the columns."""
        compressor: Writable = self.stack.enter_context(self.sink.compressor(self.data))
        names = ('"{}"'.format(column.name.replace('"', '""')) for column in self.relation.columns)
        compressor.write((",".join([*COLUMNS, *names]) + "\n").encode())
        return compressor

    def put(self, line: bytes) -> None:
        """Takes a change."""
        self.lines.append(line)
        self.size += len(line)
        if self.size >= BLOCK:
            self.flush()

    def flush(self) -> None:
        """Hands on what was taken."""
        if self.lines:
            self.compressor.write(b"".join(self.lines))
            self.rows += len(self.lines)
            self.lines, self.size = [], 0


class _Writers:
    """The files of a window: one for each version of the columns of a table."""

    def __init__(
        self, lake: Lake, folder: str, compression: str, stack: ExitStack, progress: Callable[[int], None]
    ) -> None:
        self.lake, self.folder, self.compression, self.stack, self.progress = lake, folder, compression, stack, progress
        self._writers: dict[str, list[_Writer]] = {}

    def open(self, relation: Relation) -> Put:
        """What takes the changes of a table: its file, or a new one if its columns are others than before."""
        known = self._writers.setdefault(relation.table.name, [])
        # pgoutput tells the columns whenever a table may have changed, and mostly they are the same.
        if not known or known[-1].relation.columns != relation.columns:
            data = f"{relation.table.name}.{len(known)}.csv.{self.compression}"
            known.append(_Writer(relation, data, self._sink, self.stack))
        return known[-1].put

    def finish(self) -> list[_Writer]:
        """The files that have changes, once all were handed on."""
        writers = [writer for of_table in self._writers.values() for writer in of_table]
        for writer in writers:
            writer.flush()
        return [writer for writer in writers if writer.rows]

    def _sink(self, data: str) -> Sink:
        return Sink(self.stack.enter_context(self.lake.upload(f"{self.folder}/{data}")), self.progress)


def _types(cursor: Cursor, columns: set[Published]) -> Mapping[Published, str]:
    """The types of columns as extracts have them: what only the source knows is what it is made of, or text."""
    wanted = {"types": [each.type for each in columns], "modifiers": [each.modifier for each in columns]}
    rows = postgres.rows(cursor, TYPES, wanted) if columns else []
    known = {(type_, modifier): type_or_text(name) for type_, modifier, name in rows}
    return {each: known.get((each.type, each.modifier), "text") for each in columns}


TYPES = """
with recursive made_of as (
    select wanted.type, wanted.modifier, wanted.type as made_of, wanted.modifier as limits
    from unnest(%(types)s::oid[], %(modifiers)s::integer[]) as wanted (type, modifier)
    union
    select made_of.type, made_of.modifier, typbasetype, typtypmod
    from made_of inner join pg_type on pg_type.oid = made_of.made_of where typtype = 'd'
)

select
    type::bigint, modifier,
    case when typnamespace = 'pg_catalog'::regnamespace then format_type(made_of, limits) else 'text' end
from made_of inner join pg_type on pg_type.oid = made_of.made_of where typtype <> 'd'
"""
