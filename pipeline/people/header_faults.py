"""Why a file is refused as a whole: what its first bytes are, and how its header differs from that of a feed."""

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.feeds.vendor_csv import BOM
from pipeline.kernel.errors import printable
from pipeline.vendors.vendor_fields import Feed

NEAR = 0.6  # how alike names are of which one is a slip of the other
MOST_NAMES = 5  # that are listed
MOST_LOOKED_AT = 200
LONGEST_NAME = 40  # characters that are shown
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
AS_CSV = "save it as CSV: in UTF-8, with commas"
# What a file begins with that is no CSV, what it then is, and the fix. Longer beginnings come first.
FOREIGN = (
    (b"PK\x03\x04", "it is a spreadsheet or another ZIP archive", AS_CSV),
    (b"\xd0\xcf\x11\xe0", "it is a spreadsheet", AS_CSV),
    (b"%PDF", "it is a PDF", AS_CSV),
    (b"\x1f\x8b", "it is compressed by gzip under another name", "let its name end in .csv.gz"),
    (b"\x28\xb5\x2f\xfd", "it is compressed by zstd under another name", "let its name end in .csv.zst"),
    (b"\xff\xfe\0\0", "it is written in UTF-32", "save it as UTF-8"),
    (b"\0\0\xfe\xff", "it is written in UTF-32", "save it as UTF-8"),
    (b"\xff\xfe", "it is written in UTF-16", "save it as UTF-8"),
    (b"\xfe\xff", "it is written in UTF-16", "save it as UTF-8"),
)
MARKUP = re.compile(rb"\s*<")
JSON = re.compile(rb"\s*[\[{]")


@dataclass(frozen=True)
class Difference:
    """What is wrong with a file as a whole, and how to fix it."""

    what: str
    fix: str


def foreign(head: bytes) -> Difference | None:
    """What a file is that is no CSV, by its first bytes."""
    for beginning, what, fix in FOREIGN:
        if head.startswith(beginning):
            return Difference(what, fix)
    if MARKUP.match(head):
        fix = "download the file itself; such a page often says why that failed, such as a missing login"
        return Difference("it is a web page or XML", fix)
    if JSON.match(head):
        return Difference("it is JSON", AS_CSV)
    if b"\0" in head:
        return Difference("it has NUL bytes: it is no text, or not in UTF-8", AS_CSV)
    return None


def names_of(head: bytes) -> tuple[str, list[str]]:
    """The separator of the first line that is not blank, by how often it is there, and the names between them."""
    text = head.removeprefix(BOM).decode("utf-8", "replace")
    line = next((each for each in re.split("[\r\n]", text) if each.strip(" \t")), "")
    # Of the first among equals: a comma.
    separator = max(SEPARATORS, key=line.count)
    if not line:
        return separator, []
    return separator, [name.strip('"').strip().lower() for name in line.split(separator, MOST_LOOKED_AT)]


def likeness(feed: Feed, names: Sequence[str]) -> float:
    """The share of the columns of a feed whose name, or one that is nearly so, is among the names of a header."""
    columns = [field.name for field in feed.fields]
    return sum(bool(difflib.get_close_matches(column, names, 1, NEAR)) for column in columns) / len(columns)


def differences(feed: Feed, head: bytes) -> list[Difference]:
    """Why the first bytes of a file are not the header of a feed; there is one reason at least."""
    if other := foreign(head):
        return [other]
    separator, names = names_of(head)
    if not likeness(feed, names):
        # Not shown: where a file has no header these are somebody's values.
        what = "its first line names none of the columns: the header is missing, or the file is of another feed"
        return [Difference(what, f"write {feed.header} as its first line")]
    found = list(_of_names(feed, separator, names))
    return found or [Difference("its first line has other quotes than a header", f"write it as {feed.header}")]


def _of_names(feed: Feed, separator: str, names: list[str]) -> Iterator[Difference]:
    columns = [field.name for field in feed.fields]
    if separator != ",":
        fix = "separate them by commas, and put texts that have commas in double quotes"
        yield Difference(f"its columns are separated by {SEPARATORS[separator]}", fix)
    missing = [column for column in columns if column not in names]
    meant = dict[str, str]()
    for name in names:
        if name not in columns and (near := difflib.get_close_matches(name, missing, 1, NEAR)):
            meant[name] = near[0]
            missing.remove(near[0])
            yield Difference(f"column {names.index(name) + 1} is called {_shown(name)}", f"call it {near[0]}")
    for column in missing:
        yield Difference(f"the column {column} is missing", f"add it as column {columns.index(column) + 1}")
    yield from _surplus([name for name in names if name not in columns and name not in meant])
    for column in columns:
        if names.count(column) > 1:
            yield Difference(f"the column {column} is there {names.count(column)} times", "leave it once")
    known = list(dict.fromkeys(meant.get(name, name) for name in names if name in columns or name in meant))
    if known != sorted(known, key=columns.index):
        yield Difference("its columns are in another order", f"write them as {feed.header}")


def _surplus(names: list[str]) -> Iterator[Difference]:
    for name in names[:MOST_NAMES]:
        yield Difference(f"the contract has no column {_shown(name)}", "leave it out, or agree on it with us")
    if len(names) > MOST_NAMES:
        yield Difference(f"the contract has no {len(names) - MOST_NAMES} further columns", "leave them out")


def _shown(name: str) -> str:
    # Cut first: one character may be shown as ten.
    shown = printable(name[:LONGEST_NAME])[:LONGEST_NAME]
    return f"'{shown}{'…' if len(name) > LONGEST_NAME else ''}'"
