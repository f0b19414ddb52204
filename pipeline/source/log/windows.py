"""Windows of the log as they lie on the lake, each named after the position at which it ends.

    log/slot=<name>  (before all others)
    log/window=<16 hexadecimal digits>/
        <schema>.<table>.<n>.csv.zst  metadata.json  _SUCCESS (last)

A window holds the commits `from <= commit < to`, and the next one begins where it ends. A table has one file for each
version of its columns, n of them. A window without a beginning says that the log begins here: the slot was created, and
what was written before it is in first copies, or in no window. Whoever creates a slot notes its name first: one that is
there already, and whose name is not, is another warehouse's.
"""

import datetime as dt
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from pipeline.kernel.errors import DatabaseError, LogUnreadable, StatementLost, TransactionOpen
from pipeline.lake import forms, seals
from pipeline.lake.objects import Lake
from pipeline.source.columns import Column
from pipeline.source.layout import LOG, METADATA, SUCCESS, TABLES, Metadata, beside, missing
from pipeline.source.log import lsn


@dataclass(frozen=True)
class File:
    """The changes of a table in a window, as they were read with one version of its columns."""

    table: str
    data: str
    columns: list[Column]
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Window:
    """What `metadata.json` says of a window. `begin` and `end` are positions; `begin` is None where the log begins.

    `to_watermark` is the source's clock when the end was chosen, or the end of the date; `zone` that of times without
    one.
    """

    date: dt.date
    begin: int | None
    end: int
    to_watermark: str
    system: str
    timeline: int
    zone: str
    read_at: str
    files: list[File]

    @property
    def folder(self) -> str:
        """Where it lies on the lake."""
        return folder(self.end)

    def to_json(self) -> bytes:
        """The content of the file."""
        fields = asdict(self) | {
            "date": str(self.date),
            "from_lsn": None if self.begin is None else lsn.text(self.begin),
            "to_lsn": lsn.text(self.end),
        }
        return json.dumps({name: value for name, value in fields.items() if name not in ("begin", "end")}).encode()

    @classmethod
    def form(cls, found: Any) -> "Window":
        """The reverse of `to_json`, for `forms.parse`; raises ValueError for what no window says."""
        fields = forms.WINDOW(found)
        begin, end, files = (fields.pop(name) for name in ("from_lsn", "to_lsn", "files"))
        return cls(
            **fields | {"date": dt.date.fromisoformat(fields["date"])},
            begin=None if begin is None else lsn.number(begin),
            end=lsn.number(end),
            files=[File(**file | {"columns": [Column(**column) for column in file["columns"]]}) for file in files],
        )

    def of(self, table: str) -> list[Metadata]:
        """The changes of a table, as extracts: one for each version of its columns, in the order of the log."""
        return [
            Metadata(
                table=table,
                date=str(self.date),
                columns=file.columns,
                primary_key=list(TABLES[table].key),
                watermark_column=TABLES[table].watermark,
                from_watermark="",
                to_watermark=self.to_watermark,
                data=file.data,
                rows=file.rows,
                bytes=file.bytes,
                sha256=file.sha256,
                extracted_at=self.read_at,
                to_lsn=lsn.text(self.end),
                zone=self.zone,
                folder=self.folder,
            )
            for file in self.files
            if file.table == table
        ]


@contextmanager
def claimed(lake: Lake, slot: str) -> Iterator[None]:
    """Notes that the lake's warehouse creates a slot in the block. A rerun after a kill finds it its own.

    The note is taken back if there is no slot, or only that of somebody else: PostgreSQL has said so.
    """
    was_claimed = lake.exists(_claim(slot))
    lake.write(_claim(slot), slot.encode())
    try:
        yield
    except (TransactionOpen, DatabaseError) as error:
        if not was_claimed and not isinstance(error, StatementLost):
            lake.delete([_claim(slot)])
        raise


def require_claimed(lake: Lake, slot: str) -> None:
    """Returns if the lake's warehouse created a slot that is there: it gives a change once. Raises LogUnreadable."""
    if not lake.exists(_claim(slot)):
        raise LogUnreadable(
            f"begin with the source's log through the slot {slot}",
            f"the slot {slot} is there, and the lake {lake.url} has no log of it: another warehouse reads through it",
            "set log_slot (OCEAN_LOG_SLOT) to another name; or, if nobody reads through it any more, run "
            "`python -m pipeline source drop`, and the same command again",
        )


def _claim(slot: str) -> str:
    return f"{LOG}/slot={slot}"


def folder(end: int) -> str:
    """Where the window that ends at a position lies on the lake."""
    return f"{LOG}/window={lsn.name_of(end)}"


def ends(lake: Lake, after: int = 0) -> list[int]:
    """The ends of the finished windows that end after a position, in order: one listing of these alone."""
    found = lake.objects(LOG, after=f"{folder(after)}/~" if after else "")
    names = (file.key.removesuffix(f"/{SUCCESS}") for file in found if file.key.endswith(f"/{SUCCESS}"))
    return [end_of(lake, name) for name in names]


def end_of(lake: Lake, where: str) -> int:
    """The position after which a folder is named. Raises BadExtract for a folder that no window has."""
    name = where.removeprefix(f"{LOG}/window=")
    try:
        end = int(name, 16)
    except ValueError:
        end = -1
    if where != folder(end):
        raise seals.foreign(lake, f"{where}/{SUCCESS}", "no window of the log has such a folder", "delete that folder")
    return end


def is_finished(lake: Lake, end: int) -> bool:
    """Whether the window that ends at a position is there."""
    return lake.exists(f"{folder(end)}/{SUCCESS}")


def read(lake: Lake, end: int) -> Window:
    """What the window that ends at a position says of itself. Raises BadExtract."""
    text = beside(lake, folder(end), METADATA)
    if text is None:
        raise missing(lake, folder(end), "ExtractLog")
    key = f"{folder(end)}/{METADATA}"
    found: Window = seals.parse(lake, key, text, Window.form, "restore the folder from a version of the bucket")
    if found.end != end:
        raise seals.foreign(lake, key, f"it holds the window up to {lsn.text(found.end)}")
    return found


def finish(lake: Lake, window: Window) -> None:
    """Writes what makes a window count, once its files are there."""
    text = window.to_json()
    lake.write(f"{window.folder}/{METADATA}", text)
    done = {"status": "done", "to_watermark": window.to_watermark, "sha256": {METADATA: seals.digest(text)}}
    lake.write(f"{window.folder}/{SUCCESS}", seals.seal(done))
