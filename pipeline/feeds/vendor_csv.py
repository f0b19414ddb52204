r"""CSV as vendors write it, record by record: what can be kept is kept, and the rest costs no more than itself.

Lines end with LF, CRLF or CR, also mixed. Quotes are those of RFC 4180, with one freedom more: a quote within a field
that does not begin with one stands for itself. The grammar is a regular expression per feed, which takes a record of
the right number of columns at once; what it does not take is looked at closely.
"""

import datetime as dt
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

from pipeline.kernel.errors import BadExtract, OceanError
from pipeline.kernel.postgres import Readable, Writable
from pipeline.kernel.rejected import Rejected, storable

BOM = b"\xef\xbb\xbf"
BLOCK = 1 << 18  # bytes that are read, and written, at a time
LONGEST_RECORD = 1 << 20  # bytes with the line end; as far is looked for the quote that closes

FIELD = r'("[^"]*+(?:""[^"]*+)*+"|[^",\r\n][^,\r\n]*+|)'
END = r"(?:\r\n|\r|\n|\Z)"
ANY_FIELD = re.compile(FIELD)
FIELD_OF_ONE_LINE = re.compile(FIELD.replace('[^"]', r'[^"\r\n]'))
LINE = re.compile(rf"[^\r\n]*+{END}")
LINE_END = re.compile(END)
BLANK_LINES = re.compile(r"(?:[ \t]*+[\r\n]++)++|[ \t]*+\Z")
NUL = "NUL byte"
LONGEST_KEY = 1200  # bytes; a character takes 6 at most. An index of PostgreSQL holds 2,704, and a key has two texts
INTEGER = re.compile(r"([+-]?)(?=[0-9])0*+([0-9]{0,19})")
TIMESTAMP = re.compile(r"[0-9]{2}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}")


@dataclass(frozen=True)
class Field:
    """One column of a feed: its name and what a value must be.

    An `integer` fits bigint; it may have spaces around it, a plus and leading zeros. A `timestamp` is written
    YY-MM-DD HH:MM:SS, in UTC and in this century. `longest` is the number of characters of a text; one that `is_key`
    takes no more than LONGEST_KEY bytes as JSON, as the queue of what waits writes it.
    """

    name: str
    kind: Literal["text", "integer", "timestamp"]
    required: bool = True
    longest: int = 1000
    is_key: bool = False

    def canonical(self, value: str) -> str | None:
        """The value as PostgreSQL reads it, None for an empty one; raises ValueError with the reason it is bad.

        >>> Field("n", "integer").canonical(" +007"), Field("t", "timestamp").canonical("26-11-19 08:30:00")
        ('7', '2026-11-19 08:30:00+00')
        """
        if self.kind == "text":
            if 0 < len(value) <= self.longest and (not self.is_key or len(value) <= LONGEST_KEY // 6):
                return value
        elif value.isdigit() and value.isascii() and value[0] != "0" and len(value) < 19 and self.kind == "integer":
            return value
        return self._look_closely(value)

    def _look_closely(self, value: str) -> str | None:
        if self.kind != "text":
            value = value.strip(" \t")
        if not value:
            if self.required:
                raise ValueError(f"{self.name} is missing")
            return None
        if self.kind == "text" and len(value) > self.longest:
            raise ValueError(f"{self.name} is longer than {self.longest} characters")
        if self.kind == "text":
            if self.is_key and len(json.dumps(value, ensure_ascii=False).encode()) > LONGEST_KEY:
                raise ValueError(f"{self.name} is too long for a key")
            return value
        return self._integer(value) if self.kind == "integer" else self._timestamp(value)

    def _integer(self, value: str) -> str:
        match = INTEGER.fullmatch(value)
        number = int(match[1] + (match[2] or "0")) if match else 1 << 63
        if not -1 << 63 <= number < 1 << 63:
            raise ValueError(f"{self.name} is not a whole number")
        return str(number)

    def _timestamp(self, value: str) -> str:
        written = f"20{value}"
        try:
            if not TIMESTAMP.fullmatch(value):
                raise ValueError
            dt.datetime.fromisoformat(written)
        except ValueError:
            raise ValueError(f"{self.name} is not a date") from None
        return f"{written}+00"


@dataclass(frozen=True)
class Feed:
    """A feed's name and its columns, in the order in which the header must name them."""

    name: str
    fields: tuple[Field, ...]

    @property
    def header(self) -> str:
        """The header line, without its end."""
        return ",".join(field.name for field in self.fields)

    @cached_property
    def record(self) -> re.Pattern[str]:
        """Takes one record with the feed's number of columns, a group for each, and its line end."""
        return re.compile(",".join([FIELD] * len(self.fields)) + END)

    def row(self, record: re.Match[str]) -> "Row":
        """The row of a record of a character per byte; raises ValueError with the reason it is bad."""
        raw, values = record[0], record.groups()
        if not raw.isascii():
            values = tuple([_utf_8(value) for value in values])
        if "\0" in raw:
            raise ValueError(NUL)
        return Row(
            tuple(
                [
                    field.canonical(value[1:-1].replace('""', '"') if value[:1] == '"' else value)
                    for field, value in zip(self.fields, values, strict=True)
                ]
            )
        )


class Row(NamedTuple):
    """The values of an accepted row as PostgreSQL reads them; None is NULL."""

    values: tuple[str | None, ...]


def read_csv(feed: Feed, file: str, source: Readable) -> Iterator[Row | Rejected]:
    """The rows of a file in their order, and those that cannot be kept, with line and reason. Memory stays flat.

    A record whose quotes are right is rejected as a whole. Where they are wrong nobody can say where the record ends:
    its first line is rejected, and reading goes on at the line after it.

    Raises BadExtract when the header is not the feed's. A file without any line has no rows.
    """
    text, line, header = "", 1, True
    for number, block in enumerate(_blocks(source)):
        # A character per byte: of UTF-8, and of bytes that are none, commas, quotes and line ends stay what they are.
        text += (block if number else block.removeprefix(BOM)).decode("latin-1")
        at = counted = 0
        for start, at, record, fault in _records(feed, text, last=not block):
            if not record and not fault:
                continue
            if header:
                _check_header(feed, file, record)
                header = False
                continue
            if record:
                try:
                    yield feed.row(record)
                except ValueError as error:
                    fault = str(error)
            if fault:
                line, counted = line + _lines(text, counted, start), start
                yield Rejected(file, line, fault, storable(text[start:at].rstrip("\r\n").encode("latin-1")))
        line += _lines(text, counted, at)
        text = text[at:]


def _blocks(source: Readable) -> Iterator[bytes]:
    """The bytes in blocks of whole lines, then an empty block; of an endless line only the beginning."""
    rest = b""
    while data := source.read(BLOCK):
        data = rest + data
        # A CR at the very end may be the first half of a CRLF.
        end = max(data.rfind(b"\n"), data.rfind(b"\r", 0, len(data) - 1)) + 1
        if end:
            yield data[:end]
        rest = data[end:]
        if len(rest) > LONGEST_RECORD + 1:
            rest = rest[: LONGEST_RECORD + 1] + (b"\r" if rest.endswith(b"\r") else b"")
    if rest:
        yield rest
    yield b""


def _records(feed: Feed, text: str, *, last: bool) -> Iterator[tuple[int, int, re.Match[str] | None, str]]:
    """Start and end of each record in `text`, its match or what is wrong with it; neither for blank lines, all at once.

    Unless the text is the `last`, a record at its end that may go on is left out.
    """
    match, size = feed.record.match, len(text)
    at = 0
    while at < size:
        record = match(text, at)
        end = record.end() if record else size + LONGEST_RECORD
        if end - at <= LONGEST_RECORD:
            yield at, end, record, ""
        elif blank := BLANK_LINES.match(text, at):
            end = blank.end()
            yield at, end, None, ""
        elif last or size - at > LONGEST_RECORD:
            end, fault = _look_closely(feed, text, at)
            yield at, end, None, fault
        else:
            return
        at = end


def _look_closely(feed: Feed, text: str, at: int) -> tuple[int, str]:
    """The end of what the feed's pattern did not take at a position, and what is wrong with it."""
    line_end = LINE.match(text, at).end()  # type: ignore[union-attr]  # takes whatever there is
    if line_end - at > LONGEST_RECORD:
        return line_end, f"the line is longer than {LONGEST_RECORD:,} bytes"
    columns, end = 0, at - 1
    while columns == 0 or text[end : end + 1] == ",":
        # What is too much must be found in its line: else a file of open quotes would be searched through for each.
        field = ANY_FIELD if columns < len(feed.fields) else FIELD_OF_ONE_LINE
        columns, end = columns + 1, field.match(text, end + 1).end()  # type: ignore[union-attr]
    closed = LINE_END.match(text, end)
    if closed and closed.end() - at <= LONGEST_RECORD:
        fault = f"wrong number of columns: {columns} instead of {len(feed.fields)}"
        return closed.end(), _unreadable(text[at : closed.end()]) or fault
    stray = end < line_end and text[end] != '"'
    fault = "text after a closing quote" if stray else "a quote is never closed"
    return line_end, _unreadable(text[at:line_end]) or fault


def _check_header(feed: Feed, file: str, record: re.Match[str] | None) -> None:
    names = [name.strip('"').strip().lower() for name in record.groups()] if record else []
    if names != [field.name for field in feed.fields]:
        raise BadExtract(
            f"read {file}",
            f"its first line is not the header {feed.header}",
            "have the file delivered again with this header, or take it away",
        )


def _unreadable(text: str) -> str:
    """Why PostgreSQL would not take the bytes, if so."""
    try:
        _utf_8(text)
    except ValueError as error:
        return str(error)
    return NUL if "\0" in text else ""


def _utf_8(text: str) -> str:
    """What a text of a character per byte says; raises ValueError with the reason it says nothing."""
    try:
        return text if text.isascii() else text.encode("latin-1").decode()
    except UnicodeDecodeError:
        raise ValueError("not valid UTF-8") from None


def _lines(text: str, start: int, end: int) -> int:
    return text.count("\n", start, end) + text.count("\r", start, end) - text.count("\r\n", start, end)


def accepted(records: Iterable[Row | Rejected], reject: Callable[[Rejected], object]) -> Iterator[Row]:
    """The rows; what was rejected goes to `reject`, in its order, as it comes by."""
    for record in records:
        if isinstance(record, Row):
            yield record
        else:
            reject(record)


def write_csv(feed: Feed, rows: Iterable[Row], sink: Writable) -> int:
    """Writes clean CSV as `CleanCsv` gives it, and returns its number of rows. Memory stays flat."""
    csv = CleanCsv(feed, rows)
    while data := csv.read():
        sink.write(data)
    return csv.rows


class CleanCsv:
    """Rows as CSV for COPY (`format csv, header match`) and for Spark: header, RFC 4180, UTF-8, LF.

    Texts are in quotes, and so differ from NULL, which is nothing at all. Rows are drawn as they are read, about
    BLOCK bytes at a time. `rows` is how many were; `failure` is why they could not be drawn, since COPY hides it.
    """

    def __init__(self, feed: Feed, rows: Iterable[Row]) -> None:
        self.rows = 0
        self.failure: OceanError | None = None
        self._blocks = self._written(feed, iter(rows))
        self._rest = memoryview(b"")

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes, at most `size` where that is not negative; none at the end."""
        if not self._rest:
            try:
                self._rest = memoryview(next(self._blocks, b""))
            except OceanError as failure:
                self.failure = failure
                raise
        size = len(self._rest) if size < 0 else size
        data, self._rest = bytes(self._rest[:size]), self._rest[size:]
        return data

    def _written(self, feed: Feed, rows: Iterator[Row]) -> Iterator[bytes]:
        texts = [field.kind == "text" for field in feed.fields]
        lines, size = [feed.header], 0
        for (values,) in rows:
            line = ",".join(
                [
                    "" if value is None else '"' + value.replace('"', '""') + '"' if text else value
                    for value, text in zip(values, texts, strict=True)
                ]
            )
            self.rows += 1
            lines.append(line)
            size += len(line)
            if size > BLOCK:
                lines.append("")
                yield "\n".join(lines).encode()
                lines, size = [], 0
        if lines:
            lines.append("")
            yield "\n".join(lines).encode()
