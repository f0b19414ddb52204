"""Whoever opens an object of the lake closes it, also where it is not read to its end."""

import datetime as dt
import io
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from pipeline.feeds import landing, review_models
from pipeline.feeds.landing import Delivery
from pipeline.kernel import postgres
from pipeline.kernel.config import S3
from pipeline.kernel.errors import OceanError, StatementLost
from pipeline.kernel.postgres import qualified
from pipeline.kernel.streams import Closable
from pipeline.lake import folders, seals
from pipeline.lake.objects import Lake, Object
from pipeline.lake.parquet import ParquetCsv
from pipeline.source.layout import Metadata
from pipeline.stage import intake
from pipeline.vendors.declared_feeds import REVIEWS

TEXT = b"cid,review_str\n1,good\n2,bad\n"
DATE = dt.date(2026, 1, 1)
ENTRY = Object("a/b.csv", len(TEXT), dt.datetime.now(dt.UTC))


class Watched(Lake):
    """A lake whose objects all have one content, and that knows what was opened."""

    def __init__(self, content: bytes) -> None:
        super().__init__("s3://bucket/lake", S3())
        self.content, self.opened = content, list[io.BytesIO]()

    def open(self, key: str) -> Closable | None:
        self.opened.append(io.BytesIO(self.content))
        return self.opened[-1]

    def objects(self, folder: str, after: str = "") -> list[Object]:
        return [ENTRY]


def one_row(lake: Lake) -> None:
    """Reads a row of two, as a load does that is interrupted."""
    rows = landing.read(lake, Delivery(REVIEWS, DATE, (ENTRY,)))
    next(rows)
    rows.close()  # type: ignore[attr-defined]


def load_extract(lake: Lake) -> None:
    found = Metadata("ops.orders", str(DATE), [], [], "", "", "", "data.csv.gz", 0, 0, "", "", folder="a")
    intake.copy(None, lake, found, qualified("delta.orders"))  # type: ignore[arg-type]


READERS: dict[str, Callable[[Lake, Path], object]] = {
    "read": lambda lake, _: lake.read("a"),
    "a small file": lambda lake, _: seals.read_small(lake, "a"),
    "a file that is too long": lambda lake, _: seals.read_small(lake, "a", longest=1),
    "fetch": lambda lake, folder: folders.fetch(lake, [ENTRY], folder),
    "no Parquet": lambda lake, _: list(iter(ParquetCsv(lake, [("a", {})], {}, ["cid"]).read, b"")),
    "a delivery": lambda lake, _: list(landing.read(lake, Delivery(REVIEWS, DATE, (ENTRY,)))),
    "a row of a delivery": lambda lake, _: one_row(lake),
    "a model": lambda lake, _: review_models.digest(lake, "models/a"),
    "an extract whose COPY fails": lambda lake, _: load_extract(lake),
}


@pytest.mark.parametrize("content", [TEXT, b"another header\n"])
@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_what_was_opened_is_closed(
    read: Callable[[Lake, Path], object], content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> int:
        raise StatementLost("finish a statement", "the connection was lost", "run the same command again")

    monkeypatch.setattr(postgres, "copy_in", fail)
    lake = Watched(content)
    with suppress(OceanError):
        read(lake, tmp_path)
    assert lake.opened
    assert all(body.closed for body in lake.opened)
