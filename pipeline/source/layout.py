"""Extracts as they lie on the lake: a folder for each table and date, and what `metadata.json` says of its data.

    extract/<schema>.<table>/date=YYYY-MM-DD/
        data.csv.zst  metadata.json  create_delta.sql  create_stage.sql  _SUCCESS (last)
        until=YYYYMMDDTHHMMSSZ/   the same files, extracted while the date was under way; none where nothing was new

Nothing on the lake is believed because it can be read: `metadata.json` has the hash of the data, `_SUCCESS` those of
the files beside it, and `_SUCCESS` and the bound of a date have their own.
"""

import datetime as dt
import json
from dataclasses import asdict, dataclass, replace
from typing import Any

from pipeline.catalog import SOURCE_TABLES, USER_PURCHASE
from pipeline.kernel.errors import BadExtract
from pipeline.lake import forms, seals
from pipeline.lake.objects import Lake
from pipeline.source.columns import Column, are_of
from pipeline.source.instants import require_within

SUCCESS = "_SUCCESS"
METADATA = "metadata.json"
FOLDER = "extract"
REPAIRS = "repair"
LOG = "log"
SCORES = "api.risk_score"  # the answers of the risk-score service, beside the extracts of tables
TABLES = {**SOURCE_TABLES, USER_PURCHASE.name: USER_PURCHASE}


@dataclass(frozen=True)
class Metadata:
    """What `metadata.json` says of an extract. Instants are ISO 8601 in UTC, or -infinity.

    `to_lsn` is the position of the log from which on changes follow, of a first copy or a repair where changes are read
    from the log. `zone` is that of times without one, of changes in the log; `folder` is where the extract lies on the
    lake. Both are not in the file.
    """

    table: str
    date: str
    columns: list[Column]
    primary_key: list[str]
    watermark_column: str
    from_watermark: str
    to_watermark: str
    data: str
    rows: int
    bytes: int
    sha256: str
    extracted_at: str
    condition: str | None = None
    to_lsn: str | None = None
    zone: str = ""
    folder: str = ""

    @property
    def is_of_log(self) -> bool:
        """Whether its rows are changes from the log, not rows of the source."""
        return self.folder.startswith(f"{LOG}/")

    @property
    def day(self) -> dt.date:
        """The date as such."""
        return dt.date.fromisoformat(self.date)

    def to_json(self) -> str:
        """The content of the file."""
        left_out = {"folder", "zone", *(["to_lsn"] if self.to_lsn is None else [])}
        return json.dumps({name: value for name, value in asdict(self).items() if name not in left_out}, indent=1)

    @classmethod
    def form(cls, found: Any) -> "Metadata":
        """The reverse of `to_json`, for `forms.parse`; raises ValueError for what no extract writes."""
        is_purchases = isinstance(found, dict) and found.get("table") == USER_PURCHASE.name
        fields = (forms.METADATA_OF_PURCHASES if is_purchases else forms.METADATA)(found)
        return cls(**fields | {"columns": [Column(**column) for column in fields["columns"]]})


def folders(table: str) -> str:
    """Where the extracts of a table lie on the lake."""
    return f"{FOLDER}/{table}"


def folder(table: str, date: dt.date, until: str | None = None) -> str:
    """Where the extract of a table and date, or of a date under way and an instant, lies on the lake."""
    return f"{folders(table)}/date={date}{f'/until={until}' if until else ''}"


def until_of(folder: str) -> str | None:
    """The instant of the extract in a folder; None where its date was over."""
    return folder.partition("/until=")[2].partition("/")[0] or None


def date_in(folder: str) -> str:
    """The date of the extract or repair in a folder, as it is written there."""
    return folder.partition("/date=")[2].partition("/")[0]


def place_of(folder: str) -> tuple[str, str]:
    """By what extracts of a table are sorted: their date, and in it their instant; that of the whole date is last."""
    return date_in(folder), until_of(folder) or "~"


def metadata(lake: Lake, table: str, date: dt.date, until: str | None = None) -> Metadata | None:
    """What a finished extract says of itself; None where there is none."""
    return metadata_in(lake, folder(table, date, until))


def finished(lake: Lake, table: str) -> list[str]:
    """The folders of all finished extracts of a table, by one listing."""
    found = [file.key for file in lake.objects(folders(table))]
    return [key.removesuffix(f"/{SUCCESS}") for key in found if key.endswith(f"/{SUCCESS}")]


def metadata_in(lake: Lake, where: str) -> Metadata | None:
    """The same by its folder."""
    text = beside(lake, where, METADATA)
    if text is None:
        return None
    key = f"{where}/{METADATA}"
    found: Metadata = seals.parse(lake, key, text, Metadata.form)
    if f"/{found.table}/date={found.date}" not in where:
        raise seals.foreign(lake, key, f"it holds the extract of {found.table} of {found.date}")
    if not are_of(TABLES[found.table], found.columns):
        raise seals.foreign(lake, key, "its columns are not those of an extract")
    if where.startswith(f"{FOLDER}/"):  # a repair goes as far as stage did when it was made, whatever its date
        require_within(lake, key, found.day, found.to_watermark)
    return replace(found, folder=where)


def beside(lake: Lake, where: str, name: str) -> bytes | None:
    """A small file of a finished extract, as it was written; None where the extract is not finished.

    An extract of an earlier version, whose `_SUCCESS` does not know the file, is believed. Raises BadExtract.
    """
    status = seals.read(lake, f"{where}/{SUCCESS}", forms.SUCCESS)
    if status is None:
        return None
    text = seals.read_small(lake, f"{where}/{name}")
    if text is None:
        raise BadExtract(f"read {lake.url}/{where}", f"it has _SUCCESS but no {name}", "delete the folder and rerun")
    if status.get("sha256", {}).get(name) not in (None, seals.digest(text)):
        raise seals.foreign(lake, f"{where}/{name}")
    return text


def missing(lake: Lake, where: str, task: str) -> BadExtract:
    """The error of whoever wants to load an extract that is not finished."""
    return BadExtract(f"load {lake.url}/{where}", "its extract is not finished", f"run {task} for it first")
