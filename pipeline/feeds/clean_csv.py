"""Rows of vendors' files as clean CSV, which PostgreSQL and Spark read alike."""

from collections.abc import Iterable, Iterator

from pipeline.kernel.streams import Blocks, Writable
from pipeline.vendors.vendor_fields import Feed, Row

BLOCK = 1 << 18  # bytes that are written at a time


def write_csv(feed: Feed, rows: Iterable[Row], sink: Writable) -> int:
    """Writes clean CSV as `CleanCsv` gives it, and returns its number of rows. Memory stays flat."""
    csv = CleanCsv(feed, rows)
    while data := csv.read():
        sink.write(data)
    return csv.rows


class CleanCsv(Blocks):
    """Rows as CSV for COPY (`format csv, header match`) and for Spark: header, RFC 4180, UTF-8, LF.

    Texts are in quotes, and so differ from NULL, which is nothing at all. Rows are drawn as they are read, about
    BLOCK bytes at a time. `rows` is how many were.
    """

    def __init__(self, feed: Feed, rows: Iterable[Row]) -> None:
        super().__init__(self._written(feed, rows))
        self.rows = 0

    def _written(self, feed: Feed, rows: Iterable[Row]) -> Iterator[bytes]:
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
