"""Vendors' deliveries on the lake: all CSV files under `landing/<feed>/date=YYYY-MM-DD/`."""

import datetime as dt
import hashlib
import re
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass

from pipeline.feeds.unpacking import unpacked
from pipeline.feeds.unread import LANDING, NO_CSV, NO_DATE, TOO_DEEP, TWIN, Unread, UnreadFiles
from pipeline.feeds.vendor_csv import read_csv
from pipeline.kernel.errors import BadExtract
from pipeline.kernel.rejected import Rejected
from pipeline.kernel.streams import Readable
from pipeline.lake.forms import date_of
from pipeline.lake.objects import Lake, Object
from pipeline.vendors.vendor_fields import Feed, Row

DATE = re.compile(r"date=([0-9]{4}-[0-9]{2}-[0-9]{2})")
# Of files of a date that differ in their ending alone, all but the first in this order are left.
ENDINGS = (".csv", ".csv.gz", ".csv.zst")
CSV = re.compile(r"(.+)(\.csv(?:\.gz|\.zst)?)", re.IGNORECASE | re.ASCII | re.DOTALL)
# Names are shown in logs, errors and on pages, and looked for by people.
FILE_NAME = re.compile(r"[\w .,:()+=@-]+")
MISNAMED = "its name has other signs than letters, digits and the signs .,:()+=@_-"


@dataclass(frozen=True)
class Delivery:
    """All files of one date of a feed. `fingerprint` is another one when a file is added, replaced or taken away."""

    feed: Feed
    date: dt.date
    files: tuple[Object, ...]

    @property
    def misnamed(self) -> list[str]:
        """The keys of files whose names are no vendor's."""
        return [file.key for file in self.files if not FILE_NAME.fullmatch(file.key.rpartition("/")[2])]

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits over the files' names, sizes and hashes."""
        names = [(file.key, file.size, file.etag) for file in self.files]
        return hashlib.sha256(repr(names).encode()).hexdigest()[:16]


def folder(feed: Feed) -> str:
    """The folder on the lake that has a feed's folders of dates."""
    return f"{LANDING}/{feed.name}"


@dataclass(frozen=True)
class Landed:
    """The contents of the folder of a feed: its deliveries, oldest first, and the files that are not read."""

    deliveries: list[Delivery]
    unread: list[Unread]


def landed(lake: Lake, feed: Feed) -> Landed:
    """Lists the files of a feed once, and opens none.

    A file counts if it lies directly in the folder of a date and its name has one of the ENDINGS, in any case.
    """
    unread, dates = UnreadFiles(folder(feed)), dict[dt.date, list[Object]]()
    for file in lake.objects(folder(feed)):
        path = file.key.removeprefix(f"{folder(feed)}/")
        date = date_or_reason(path)
        if isinstance(date, str):
            unread.add(date, path)
        else:
            dates.setdefault(date, []).append(file)
    found = []
    for date, files in sorted(dates.items()):
        twins = twins_of(files)
        for file in (file for file in files if file in twins):
            unread.add(TWIN, file.key.removeprefix(f"{folder(feed)}/"))
        found.append(Delivery(feed, date, tuple(file for file in files if file not in twins)))
    return Landed(found, list(unread.values()))


def date_or_reason(path: str) -> dt.date | str:
    """The date of a file by its path below the folder of its feed, or the reason why it is not read.

    >>> date_or_reason("date=2026-11-19/a.csv"), date_or_reason("date=2026-11-19/a.txt") == NO_CSV
    (datetime.date(2026, 11, 19), True)
    """
    day, _, name = path.partition("/")
    match = DATE.fullmatch(day)
    date = date_of(match[1]) if match else None
    if not date:
        return NO_DATE
    if "/" in name:
        return TOO_DEEP
    return date if CSV.fullmatch(name) else NO_CSV


def twins_of(files: Iterable[Object]) -> set[Object]:
    """Files that may hold the same rows as another file of their date, because the names differ in the ending alone."""
    named: dict[str, list[tuple[int, str, Object]]] = {}
    for file in files:
        stem, ending = CSV.fullmatch(file.key).groups()  # type: ignore[union-attr]  # its name was matched
        place = ENDINGS.index(ending.lower())
        named.setdefault(stem, []).append((place, "" if ending in ENDINGS else ending, file))
    return {file for same in named.values() for *_, file in sorted(same, key=lambda each: each[:2])[1:]}


def deliveries(lake: Lake, feed: Feed, until: dt.date) -> list[Delivery]:
    """The deliveries of a feed up to a date, oldest first."""
    return [delivery for delivery in landed(lake, feed).deliveries if delivery.date <= until]


def well_named(deliveries: Iterable[Delivery]) -> list[Delivery]:
    """The deliveries whose file names have only letters, digits and a few signs: others are not read."""
    return [delivery for delivery in deliveries if not delivery.misnamed]


def refuse_others(lake: Lake, deliveries: Iterable[Delivery]) -> None:
    """Raises BadExtract for the first of the others."""
    for key in (key for delivery in deliveries for key in delivery.misnamed):
        raise BadExtract(
            f"read {lake.url}/{key!r}",
            MISNAMED,
            "have it delivered under another name, and delete it",
        )


def read(lake: Lake, delivery: Delivery) -> Iterator[Row | Rejected]:
    """The rows of all files of a delivery, file by file, and those that cannot be kept. Memory stays flat.

    Raises BadExtract for a file whose header is not the feed's, that cannot be unpacked, or that changed since it was
    listed.
    """
    for file in delivery.files:
        if file.size:
            body = lake.open(file.key)
            if body is None:
                raise _changed(lake, file)
            with closing(body):
                yield from read_csv(delivery.feed, file.key, unpacked(file.key, file.size, _Whole(lake, file, body)))


class _Whole:
    """The bytes of a file; at the end they must be as many as were listed."""

    def __init__(self, lake: Lake, file: Object, body: Readable) -> None:
        self.lake, self.file, self.body, self.bytes = lake, file, body, 0

    def read(self, size: int = -1, /) -> bytes:
        data = self.body.read(size)
        self.bytes += len(data)
        if not data and self.bytes != self.file.size:
            raise _changed(self.lake, self.file)
        return data


def _changed(lake: Lake, file: Object) -> BadExtract:
    return BadExtract(
        f"read {lake.url}/{file.key}", "it was replaced or deleted meanwhile", "run the same command again"
    )
