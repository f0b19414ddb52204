"""The messages of pgoutput (protocol version 1, text), as COPY binary brings them, turned into lines of CSV.

A line is a change: what it is (`etl_op`), its commit (`etl_lsn`, `etl_ts`), its place in the transaction (`etl_seq`),
which columns came without their value because it is stored out of line and did not change (`etl_unchanged`), the key
before a change of the key (`etl_old_key`), and the columns of the row. Both lists are JSON.

I: inserted. U: updated. D: deleted. T: all rows of the table were deleted (TRUNCATE). K: the row has another key from
now on, which the U after it has.

https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html
"""

import datetime as dt
import json
from collections.abc import Callable, Mapping
from struct import Struct
from typing import NamedTuple

from pipeline.catalog import SourceTable

# The columns that stand before those of the table.
COLUMNS = ("etl_op", "etl_lsn", "etl_ts", "etl_seq", "etl_unchanged", "etl_old_key")
SIGNATURE = 19  # bytes before the first tuple of COPY binary: its name, flags, no extension
TUPLE = 6  # bytes before the value of a tuple of one column: the number of columns, the length
EPOCH = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)  # of PostgreSQL's times
ALWAYS = b"BR"  # what counts outside of a window too: begins, and the columns of tables
TEXT, NULL, NEW, OLD_ROW = b"tnNO"


class Published(NamedTuple):
    """A column of a table, as the log has it: name, and oid and modifier of its type."""

    name: str
    type: int
    modifier: int


class Relation(NamedTuple):
    """A table of the catalogue, the columns that its rows have, and the places of the key among them."""

    table: SourceTable
    columns: tuple[Published, ...]
    key: tuple[int, ...]


Put = Callable[[bytes], None]
Row = list[bytes | None]
_four, _two = Struct(">I").unpack_from, Struct(">H").unpack_from


class Decoder:
    """Takes the rows of a COPY in binary format, and hands on each change of a window as a line.

    A window is half-open, `begin <= commit < end`: what lies outside is left out, as are tables that the catalogue does
    not have. A transaction comes whole and at its commit, so lines come in the order of commits. `open` is asked for
    each table, and again when its columns may have changed; it returns what takes the lines.
    """

    def __init__(
        self, begin: int, end: int, tables: Mapping[str, SourceTable], open: Callable[[Relation], Put]
    ) -> None:
        self.begin, self.end, self.tables, self.open = begin, end, tables, open
        self._relations: dict[bytes, tuple[Relation, Put] | None] = {}
        self._is_first, self._is_within, self._seq = True, False, 0
        self._commit = b""  # what each line of the transaction has in common
        self._messages = {
            ord("B"): self._begin,
            ord("R"): self._relation,
            ord("I"): self._insert,
            ord("U"): self._update,
            ord("D"): self._delete,
            ord("T"): self._truncate,
        }

    def write(self, data: bytes, /) -> int:
        """Takes a row of the COPY; PostgreSQL sends each in a message of its own, the header with the first one."""
        if at := self.value_at(data):
            kind = data[at]
            if (self._is_within or kind in ALWAYS) and (message := self._messages.get(kind)):
                message(data, at + 1)
        return len(data)

    def value_at(self, data: bytes) -> int:
        """Where the message begins in a row; 0: the row is the end, a tuple without columns."""
        start = TUPLE
        if self._is_first:
            self._is_first, start = False, TUPLE + SIGNATURE
        return start if len(data) > start else 0

    def _begin(self, data: bytes, at: int) -> None:
        commit = int.from_bytes(data[at : at + 8])
        self._is_within, self._seq = self.begin <= commit < self.end, 0
        if self._is_within:
            time = instant(data[at + 8 : at + 16]).isoformat(sep=" ", timespec="microseconds")
            self._commit = f",{commit >> 32:X}/{commit & 0xFFFFFFFF:X},{time},".encode()

    def _relation(self, data: bytes, at: int) -> None:
        number = data[at : at + 4]
        schema, at = _name(data, at + 4)
        name, at = _name(data, at)
        at += 1  # the replica identity
        columns = []
        (count,), at = _two(data, at), at + 2
        for _ in range(count):
            column, after = _name(data, at + 1)
            (type_,), modifier = _four(data, after), data[after + 4 : after + 8]
            columns.append(Published(column, type_, int.from_bytes(modifier, signed=True)))
            at = after + 8
        table = self.tables.get(f"{schema}.{name}")
        if table is None:
            self._relations[number] = None
            return
        names = [column.name for column in columns]
        # Whether the columns are those that the warehouse needs is the load's business: the log must not stand still.
        key = tuple(names.index(each) for each in table.key if each in names)
        relation = Relation(table, tuple(columns), key)
        self._relations[number] = relation, self.open(relation)

    def _insert(self, data: bytes, at: int) -> None:
        if found := self._relations[data[at : at + 4]]:
            values, _, _ = _values(data, at + 5)
            self._put(found[1], b"I", b",,", _line(data, values))

    def _update(self, data: bytes, at: int) -> None:
        found = self._relations[data[at : at + 4]]
        if not found:
            return
        relation, put = found
        at += 4
        old: Row = []
        old_kind = data[at]
        if old_kind != NEW:
            old, _, at = _values(data, at + 1)
        values, unchanged, _ = _values(data, at + 1)
        if old_kind == OLD_ROW:  # REPLICA IDENTITY FULL: the old row has all values
            for place in unchanged:
                values[place] = old[place]
            unchanged = []
        more = _listed([relation.columns[place].name for place in unchanged]) + b"," if unchanged else b","
        if old and any(old[place] != values[place] for place in relation.key):
            self._put(put, b"K", b",,", _line(data, _only(old, relation.key)))
            more += _listed([(old[place] or b"").decode() for place in relation.key])
        self._put(put, b"U", more + b",", _line(data, values))

    def _delete(self, data: bytes, at: int) -> None:
        if found := self._relations[data[at : at + 4]]:
            old, _, _ = _values(data, at + 5)
            self._put(found[1], b"D", b",,", _line(data, _only(old, found[0].key)))

    def _truncate(self, data: bytes, at: int) -> None:
        (count,) = _four(data, at)
        for place in range(at + 5, at + 5 + 4 * count, 4):
            if found := self._relations[data[place : place + 4]]:
                self._put(found[1], b"T", b",,", b"," * (len(found[0].columns) - 1))

    def _put(self, put: Put, op: bytes, more: bytes, line: bytes) -> None:
        self._seq += 1
        put(b"%b%b%d,%b%b\n" % (op, self._commit, self._seq, more, line))


def instant(microseconds: bytes) -> dt.datetime:
    """A time of the log as an instant."""
    return EPOCH + dt.timedelta(microseconds=int.from_bytes(microseconds, signed=True))


def _name(data: bytes, at: int) -> tuple[str, int]:
    end = data.index(0, at)
    return data[at:end].decode(), end + 1


def _values(data: bytes, at: int) -> tuple[Row, list[int], int]:
    """The values of a row, the places of those that did not come, and where the row ends."""
    values: Row = []
    unchanged: list[int] = []
    (count,) = _two(data, at)
    at += 2
    for place in range(count):
        kind = data[at]
        if kind == TEXT:
            start = at + 5
            at = start + _four(data, at + 1)[0]
            values.append(data[start:at])
        else:
            values.append(None)
            at += 1
            if kind != NULL:
                unchanged.append(place)
    return values, unchanged, at


def _line(data: bytes, values: Row) -> bytes:
    """Values of a message as CSV: all in quotation marks, NULL as nothing."""
    if b'"' in data:
        values = [value and value.replace(b'"', b'""') for value in values]
    if None in values:
        return b",".join([b"" if value is None else b'"%b"' % value for value in values])
    return b'"%b"' % b'","'.join(values)  # type: ignore[arg-type]


def _only(values: Row, places: tuple[int, ...]) -> Row:
    return [value if place in places else None for place, value in enumerate(values)]


def _listed(texts: list[str]) -> bytes:
    """Texts as JSON in CSV."""
    return b'"%b"' % json.dumps(texts).encode().replace(b'"', b'""')
