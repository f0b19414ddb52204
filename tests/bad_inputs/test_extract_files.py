"""Files of an extract that are not as they were written: refused by name, and nothing of them is loaded."""

import gzip
import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
import zstandard
from support.feeds_world import settings_of
from support.loads import create_warehouse, extract_date, load_stages
from support.shop import OPENING, add_product, at, date, open_shop
from support.world import World, Worlds

from pipeline.kernel.errors import BadExtract
from pipeline.source import bounds, layout

PRODUCTS = ["ops.products"]
DATA, METADATA = "data.csv.zst", "metadata.json"
HEADER = "product_id,sku,name,product_subtype_id,supplier_id,unit_price,created_ts,updated_ts"
TIMES = "2026-01-02 12:00:00+00,2026-01-02 12:00:00+00"
ROW = f"12,SKU-12,Record 12,1,1,5.000,{TIMES}"
FOREIGN = "it is not what an extract writes there"
AS_WRITTEN = "its bytes are not those that were written|not those of its metadata"
Change = Callable[[bytes], bytes]


def flip(place: int) -> Change:
    return lambda data: data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :]


def plain(data: bytes) -> bytes:
    return zstandard.ZstdDecompressor().stream_reader(data).read()


def metadata(**changes: Any) -> Change:
    return lambda text: json.dumps(json.loads(text) | changes).encode()


def without(name: str) -> Change:
    return lambda text: json.dumps({key: value for key, value in json.loads(text).items() if key != name}).encode()


# What happens to a file, and the words by which its load is refused.
DAMAGED: list[tuple[str, str, Change, str]] = [
    ("empty", DATA, lambda data: b"", AS_WRITTEN),
    ("cut at its end", DATA, lambda data: data[:-7], AS_WRITTEN),
    ("cut in its middle", DATA, lambda data: data[: len(data) // 2], AS_WRITTEN),
    ("with another first byte", DATA, flip(0), AS_WRITTEN),
    ("with another byte", DATA, flip(40), AS_WRITTEN),
    ("with another last byte", DATA, flip(-1), AS_WRITTEN),
    ("with a byte more", DATA, lambda data: data + b"x", AS_WRITTEN),
    ("twice", DATA, lambda data: data * 2, AS_WRITTEN),
    ("of another compression", DATA, lambda data: gzip.compress(plain(data)), AS_WRITTEN),
    ("not compressed", DATA, plain, AS_WRITTEN),
    ("compressed again", DATA, lambda data: zstandard.compress(plain(data), 19), AS_WRITTEN),
    ("of another size", METADATA, metadata(bytes=1), "not those of its metadata"),
    ("of another hash", METADATA, metadata(sha256="0" * 64), "not those of its metadata"),
    ("of more rows", METADATA, metadata(rows=2), "not those of its metadata"),
    ("of fewer rows", METADATA, metadata(rows=-1), "not those of its metadata"),
    ("of a file that is not there", METADATA, metadata(data="data.csv.gz"), "the file is not there"),
    ("no text", METADATA, lambda text: b"", FOREIGN),
    ("no JSON", METADATA, lambda text: text[:-9], FOREIGN),
    ("no UTF-8", METADATA, lambda text: b"\xff" + text, FOREIGN),
    ("a list", METADATA, lambda text: b"[]", FOREIGN),
    ("of no columns", METADATA, metadata(columns=None), FOREIGN),
    ("without the rows", METADATA, without("rows"), FOREIGN),
    ("of a field that nobody knows", METADATA, metadata(colour="blue"), FOREIGN),
    ("of another date", METADATA, metadata(date="2026-01-01"), r"it holds the extract of ops\.products of 2026-01-01"),
    ("of another table", METADATA, metadata(table="ops.orders"), r"it holds the extract of ops\.orders of 2026-01-02"),
]  # fmt: skip
# The text of an extract whose metadata vouches for it: the line that is refused, or the price that is loaded.
REWRITTEN: list[tuple[str, bytes, int, str]] = [
    ("as it was", f"{HEADER}\n{ROW}\n".encode(), 0, "5.000"),
    ("lines end with CRLF", f"{HEADER}\r\n{ROW}\r\n".encode(), 0, "5.000"),
    ("lines end with CR", f"{HEADER}\r{ROW}\r".encode(), 0, "5.000"),
    ("the last line has no end", f"{HEADER}\n{ROW}".encode(), 0, "5.000"),
    ("a header only", f"{HEADER}\n".encode(), 0, ""),
    ("lines end both ways", f"{HEADER}\n{ROW}\r\n".encode(), 2, ""),
    ("a byte order mark", f"\ufeff{HEADER}\n{ROW}\n".encode(), 1, ""),
    ("no header", f"{ROW}\n".encode(), 1, ""),
    ("nothing", b"", 1, ""),
    ("columns in another order", f"{HEADER.replace('sku,name', 'name,sku')}\n{ROW}\n".encode(), 1, ""),
    ("a column called otherwise", f"{HEADER.replace('sku', 'SKU')}\n{ROW}\n".encode(), 1, ""),
    ("a column too few", f"{HEADER}\n{ROW}\n13,SKU-13\n".encode(), 3, ""),
    ("a column too many", f"{HEADER}\n{ROW},more\n".encode(), 2, ""),
    ("a quote that is never closed", f"{HEADER}\n{ROW}\n".replace("Record", '"Record').encode(), 3, ""),
    ("a NUL", f"{HEADER}\n{ROW}\n".replace("Record", "Rec\0rd").encode(), 2, ""),
    ("Latin-1", f"{HEADER}\n{ROW}\n".replace("Record", "Récord").encode("latin-1"), 2, ""),
    ("UTF-16", f"{HEADER}\n{ROW}\n".encode("utf-16"), 1, ""),
    ("a text for a number", f"{HEADER}\n{ROW}\n".replace("12,SKU", "twelve,SKU").encode(), 2, ""),
    ("a key beyond bigint", f"{HEADER}\n{ROW}\n".replace("12,SKU", "9223372036854775808,SKU").encode(), 2, ""),
    ("a price beyond numeric(10,3)", f"{HEADER}\n{ROW}\n".replace("5.000", "10000000").encode(), 2, ""),
    ("a day that is none", f"{HEADER}\n{ROW}\n".replace("2026-01-02", "2026-02-30").encode(), 2, ""),
    ("a time zone that is none", f"{HEADER}\n{ROW}\n".replace("+00", "+99").encode(), 2, ""),
]  # fmt: skip


@pytest.fixture(scope="module")
def shop(worlds: Worlds) -> World:
    """Loaded with the extract of day 1; that of day 2 holds one product more."""
    world = worlds.new()
    open_shop(world)
    with settings_of(world):
        create_warehouse(world)
        extract_date(world, date(1), PRODUCTS)
        load_stages(world, date(1), PRODUCTS)
        add_product(world, 12, 5, at(2))
        extract_date(world, date(2), PRODUCTS)
    return world


@pytest.fixture
def restored(shop: World) -> Any:
    """The shop; afterwards its extract is as it was, and what was loaded of it is gone."""
    folder = layout.folder("ops.products", date(2))
    before = {file.key: shop.lake.read(file.key) or b"" for file in shop.lake.objects(folder)}
    yield shop
    shop.lake.write_all(before)
    for table in ("stage.products", "stage.products_version"):
        shop.warehouse(f"delete from {table} where updated_ts > %s", (OPENING,))


def stage(world: World) -> set[tuple[Any, ...]]:
    return world.rows("select product_id, unit_price::text from stage.products")


def load(world: World) -> None:
    with settings_of(world):
        load_stages(world, date(2), PRODUCTS)


def change(world: World, file: str, how: Change) -> None:
    key = f"{layout.folder('ops.products', date(2))}/{file}"
    world.lake.write(key, how(world.lake.read(key) or b""))


def vouch(world: World) -> None:
    """`_SUCCESS` as an earlier version wrote it, which knows nothing of the files beside it."""
    change(world, "_SUCCESS", lambda text: json.dumps({"to_watermark": json.loads(text)["to_watermark"]}).encode())


@pytest.mark.parametrize(("file", "how", "because"), [pytest.param(*case, id=name) for name, *case in DAMAGED])
def test_a_file_that_is_not_as_it_was_written_is_refused(restored: World, file: str, how: Change, because: str) -> None:
    change(restored, file, how)
    if file == METADATA:
        with pytest.raises(BadExtract, match=rf"/{METADATA}, because {FOREIGN}; delete"):
            load(restored)
        vouch(restored)
    with pytest.raises(
        BadExtract, match=rf"cannot .*/ops\.products/date=2026-01-02/.*({because}).*; .*delete"
    ) as caught:
        load(restored)
    assert "Record 12" not in str(caught.value)
    assert stage(restored) == {(1, "10.000")}


@pytest.mark.parametrize("file", [DATA, METADATA, "_SUCCESS"])
def test_a_file_that_is_gone_is_missed(restored: World, file: str) -> None:
    restored.lake.delete([f"{layout.folder('ops.products', date(2))}/{file}"])
    if file == "_SUCCESS":
        assert layout.metadata(restored.lake, "ops.products", date(2)) is None
    else:
        with pytest.raises(
            BadExtract, match=r"ops\.products/date=2026-01-02.*(is not there|no metadata\.json); .*delete"
        ):
            load(restored)
    assert stage(restored) == {(1, "10.000")}


@pytest.mark.parametrize(("text", "line", "price"), [pytest.param(*case, id=name) for name, *case in REWRITTEN])
def test_a_text_that_its_metadata_vouches_for_is_loaded_right_or_refused_by_its_line(
    restored: World, text: bytes, line: int, price: str
) -> None:
    data = zstandard.compress(text)
    digest = hashlib.sha256(data).hexdigest()
    change(restored, DATA, lambda _: data)
    change(restored, METADATA, metadata(bytes=len(data), sha256=digest, rows=int(bool(price or line))))
    vouch(restored)
    if line:
        because = rf"PostgreSQL does not take its line {line} \(\w+\); fix the source"
        with pytest.raises(BadExtract, match=rf"data\.csv\.zst, because {because}") as caught:
            load(restored)
        assert "cord" not in str(caught.value)
    else:
        load(restored)
    assert stage(restored) == {(1, "10.000")} | ({(12, price)} if price else set())


OTHER_WATERMARK = b'{"to_watermark": "2026-01-05T00:00:00+00:00", "seal": "0"}'


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'"x"', b"1", b"{}", b"\xff", OTHER_WATERMARK])
@pytest.mark.parametrize("file", ["bound", "_SUCCESS"])
def test_a_watermark_that_cannot_be_read_is_refused_by_its_file(restored: World, file: str, text: bytes) -> None:
    key = bounds.key_of(date(2)) if file == "bound" else f"{layout.folder('ops.products', date(2))}/_SUCCESS"
    before = restored.lake.read(key) or b""
    restored.lake.write(key, text)
    try:
        with (
            settings_of(restored),
            pytest.raises(BadExtract, match=rf"{key}, because {FOREIGN}"),
        ):
            extract_date(restored, date(3), PRODUCTS)
    finally:
        restored.lake.write(key, before)
        restored.lake.delete([bounds.key_of(date(3))])
