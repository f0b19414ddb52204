"""Files in the folders of vendors that are not read: counted, and named up to a bound."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field

from pipeline.kernel import clock
from pipeline.kernel.errors import printable
from pipeline.kernel.postgres import Cursor
from pipeline.lake.objects import Lake

LANDING = "landing"
MOST_NAMES = 5  # for one reason in one folder
LONGEST_NAME = 120  # characters of a name that are shown

NO_DATE = "not in a folder date=YYYY-MM-DD of a day that there is"
TOO_DEEP = "in a folder below that of their date"
NO_CSV = "the name does not end in .csv, .csv.gz or .csv.zst"
TWIN = "a file of the same name with another ending is read"
FUTURE = "their date is yet to come"
NO_FEED = "no feed has this folder"


@dataclass
class Unread:
    """The files of a folder that are not read for one reason: their number, and the first names."""

    folder: str
    reason: str
    files: int = 0
    names: list[str] = field(default_factory=list)

    def add(self, name: str) -> None:
        """Takes note of a file."""
        self.files += 1
        if len(self.names) < MOST_NAMES:
            # Vendors choose the names: cut first, for one character may be shown as ten.
            shown = printable(name[:LONGEST_NAME])[:LONGEST_NAME]
            self.names.append(f"'{shown}…'" if len(name) > LONGEST_NAME else f"'{shown}'")


class UnreadFiles(dict[str, Unread]):
    """The files of one folder that are not read, by the reason."""

    def __init__(self, folder: str) -> None:
        super().__init__()
        self.folder = folder

    def add(self, reason: str, name: str) -> None:
        """Takes note of a file by its name below the folder."""
        self.setdefault(reason, Unread(self.folder, reason)).add(name)


def of_no_feed(lake: Lake, folders: Iterable[str]) -> UnreadFiles:
    """The entries beside the folders of the feeds. Names another folder once, whatever is in it."""
    known = {f"{folder.removeprefix(f'{LANDING}/')}/" for folder in folders}
    found = UnreadFiles(LANDING)
    for name in lake.names(LANDING):
        if name not in known:
            found.add(NO_FEED, name)
    return found


def last_day(date: dt.date) -> dt.date:
    """The last day that a vendor may be at: that of the load, or tomorrow's, which begins earlier in the east."""
    return max(date, clock.today() + dt.timedelta(days=1))


def note(cursor: Cursor, unread: Iterable[Unread]) -> None:
    """Keeps the files that are not read, in place of earlier findings, in the caller's transaction."""
    cursor.execute("lock table etl.unread_file in share row exclusive mode")
    cursor.execute("delete from etl.unread_file")
    query = "insert into etl.unread_file (folder, reason, files, names) values (%s, %s, %s, %s)"
    for each in unread:
        names = ", ".join([*each.names, *["…"] * (each.files > len(each.names))])
        cursor.execute(query, (each.folder, each.reason, each.files, names))
