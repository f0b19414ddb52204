r"""CSV as vendors write it, record by record: what can be kept is kept, and the rest costs no more than itself.

Lines end with LF, CRLF or CR, also mixed. Quotes are those of RFC 4180, with one freedom more: a quote within a field
that does not begin with one stands for itself. The grammar is a regular expression per feed, which takes a record of
the right number of columns at once; what it does not take is looked at closely.
"""

import re
from collections.abc import Callable, Iterable, Iterator

from pipeline.kernel.errors import BadHeader
from pipeline.kernel.rejected import Fault, Rejected, Unfit, storable
from pipeline.kernel.streams import Readable
from pipeline.vendors.vendor_fields import END, FIELD, NUL, Feed, Row, utf_8

BOM = b"\xef\xbb\xbf"
BLOCK = 1 << 18  # bytes that are read at a time
LONGEST_RECORD = 1 << 20  # bytes with the line end; as far is looked for the quote that closes

ANY_FIELD = re.compile(FIELD)
FIELD_OF_ONE_LINE = re.compile(FIELD.replace('[^"]', r'[^"\r\n]'))
LINE = re.compile(rf"[^\r\n]*+{END}")
LINE_END = re.compile(END)
# The group is not possessive: that of Python 3.11.2 takes the spaces before the next line too.
BLANK_LINES = re.compile(r"(?:[ \t]*+[\r\n]++)+|[ \t]*+\Z")
QUOTED = 'put the text in double quotes and double each double quote in it: "a ""big"" fish"'
QUOTES = "quotes are those of RFC 4180"
STRAY = Fault("text after a closing quote", QUOTES, QUOTED)
OPEN = Fault("a quote is never closed", QUOTES, QUOTED)
TOO_LONG = Fault(
    f"the line is longer than {LONGEST_RECORD:,} bytes",
    f"a row has at most {LONGEST_RECORD:,} bytes",
    "shorten it, and end each row with a line end",
)


def read_csv(feed: Feed, file: str, source: Readable) -> Iterator[Row | Rejected]:
    """The valid rows of a file in their order, and the rejected ones with line and reason. Memory stays flat.

    Rejects a bad record as a whole if its quotes are right. Otherwise its end is unknown, and only its first line is
    rejected.

    Raises BadHeader if the header is not the feed's. A file without any line has no rows.
    """
    text, line, header = "", 1, True
    for number, block in enumerate(_blocks(source)):
        # A character per byte: commas, quotes and line ends keep their meaning in UTF-8 and in any other bytes.
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
                except Unfit as error:
                    fault = error.fault
            if fault:
                line, counted = line + _lines(text, counted, start), start
                row = storable(text[start:at].rstrip("\r\n").encode("latin-1"))
                yield Rejected(file, line, fault.reason, row, fault)
        line += _lines(text, counted, at)
        text = text[at:]


def _blocks(source: Readable) -> Iterator[bytes]:
    """The bytes in blocks of whole lines, then an empty block; only the beginning of an endless line."""
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


def _records(feed: Feed, text: str, *, last: bool) -> Iterator[tuple[int, int, re.Match[str] | None, Fault | None]]:
    """Start and end of each record in `text`, and its match or its error. Blank lines come as one record with neither.

    Unless the text is the `last`, a record at its end that may go on is left out.
    """
    match, size = feed.record.match, len(text)
    at = 0
    while at < size:
        record = match(text, at)
        end = record.end() if record else size + LONGEST_RECORD
        if end - at <= LONGEST_RECORD:
            yield at, end, record, None
        elif blank := BLANK_LINES.match(text, at):
            end = blank.end()
            yield at, end, None, None
        elif last or size - at > LONGEST_RECORD:
            end, fault = _end_and_fault(feed, text, at)
            yield at, end, None, fault
        else:
            return
        at = end


def _end_and_fault(feed: Feed, text: str, at: int) -> tuple[int, Fault]:
    """The end of the text that the feed's pattern did not take at a position, and its fault."""
    line_end = LINE.match(text, at).end()  # type: ignore[union-attr]  # takes whatever there is
    if line_end - at > LONGEST_RECORD:
        return line_end, TOO_LONG
    columns, end = 0, at - 1
    while columns == 0 or text[end : end + 1] == ",":
        # Surplus text must be found in its own line. Otherwise each open quote would search through the whole file.
        field = ANY_FIELD if columns < len(feed.fields) else FIELD_OF_ONE_LINE
        columns, end = columns + 1, field.match(text, end + 1).end()  # type: ignore[union-attr]
    closed = LINE_END.match(text, end)
    if closed and closed.end() - at <= LONGEST_RECORD:
        return closed.end(), _unreadable(text[at : closed.end()]) or _wrong_columns(columns, feed)
    stray = end < line_end and text[end] != '"'
    return line_end, _unreadable(text[at:line_end]) or (STRAY if stray else OPEN)


def _wrong_columns(columns: int, feed: Feed) -> Fault:
    least = "give each of them, an empty one as nothing between two commas"
    most = "take what is too much away; put a text that has commas in double quotes"
    return Fault(
        f"wrong number of columns: {columns} instead of {len(feed.fields)}",
        f"a row has {len(feed.fields)} columns, {feed.header}",
        least if columns < len(feed.fields) else most,
    )


def _check_header(feed: Feed, file: str, record: re.Match[str] | None) -> None:
    names = [name.strip('"').strip().lower() for name in record.groups()] if record else []
    if names != [field.name for field in feed.fields]:
        raise BadHeader(
            f"read {file}",
            f"its first line is not the header {feed.header}",
            "have the file delivered again with this header, or take it away",
        )


def _unreadable(text: str) -> Fault | None:
    """Why PostgreSQL would not take the bytes, if so."""
    try:
        utf_8(text)
    except Unfit as error:
        return error.fault
    return NUL if "\0" in text else None


def _lines(text: str, start: int, end: int) -> int:
    return text.count("\n", start, end) + text.count("\r", start, end) - text.count("\r\n", start, end)


def accepted(records: Iterable[Row | Rejected], reject: Callable[[Rejected], object]) -> Iterator[Row]:
    """The valid rows; passes each rejected one to `reject`, in order."""
    for record in records:
        if isinstance(record, Row):
            yield record
        else:
            reject(record)
