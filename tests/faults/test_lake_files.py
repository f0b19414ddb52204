"""Files on the lake that are not as they were written: refused by name, or without any effect.

In each case a date was extracted and not loaded yet. Then one of its files changes; that date is loaded, the next one
extracted and loaded. What was refused is loaded once the file is as it was.
"""

import csv
import hashlib
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

import pytest
import zstandard
from support import shop
from support.feeds_world import run, settings_of
from support.loads import create_warehouse, extract_date, load_day, load_dimensions, load_facts, load_stages
from support.world import World, Worlds

from faults.disturbed import FAULTS, Checksum, Tally
from pipeline.catalog import SOURCE_TABLES
from pipeline.kernel import postgres
from pipeline.kernel.errors import BadExtract
from pipeline.lake import seals
from pipeline.source import bounds, layout
from pipeline.stage import repairs
from pipeline.tasks.reconcile_source import ReconcileSource

FILES = ("data.csv.zst", "metadata.json", "_SUCCESS", "create_stage.sql")
DAY = 2
Rows = list[list[str]]


@pytest.fixture(scope="module")
def extracted(worlds: Worlds) -> World:
    """Day 1 is loaded, day 2 extracted; the shop is at day 3."""
    world = worlds.new()
    shop.open_shop(world)
    shop.add_order(world, 1, shop.at(1), 1)
    shop.add_order(world, 2, shop.at(1), 1, 1)
    with settings_of(world):
        create_warehouse(world)
        load_day(world, shop.date(1))
        sell(world, DAY)
        extract_date(world, shop.date(DAY))
        sell(world, DAY + 1)
    return world


def sell(world: World, day: int) -> None:
    """A day's business: of the busy tables several rows."""
    shop.update(world, "products", {"product_id": 1}, shop.at(day), unit_price=10 + day)
    shop.add_product(world, 10 * day, day, shop.at(day))
    for number in range(1, 5):
        shop.add_order(world, 10 * day + number, shop.at(day, 12 + number), 1, 10 * day, price=day)
    shop.update(world, "orders", {"order_id": day - 1}, shop.at(day), order_status_id=2)


@pytest.fixture(scope="module")
def checksum(worlds: Worlds, extracted: World) -> Checksum:
    world = worlds.copy(extracted)
    finish(world)
    return world.checksum()


def finish(world: World) -> None:
    """Loads what is extracted, then extracts and loads the next day."""
    with settings_of(world):
        load_stages(world, shop.date(DAY))
        extract_date(world, shop.date(DAY + 1))
        load_stages(world, shop.date(DAY + 1))
        load_dimensions(world)
        load_facts(world)


def test_a_bit_that_flips_in_any_file_is_refused_or_has_no_effect(
    worlds: Worlds, extracted: World, checksum: Checksum, tally: Tally
) -> None:
    random = Random("flips")
    for _ in range(FAULTS):
        world = worlds.copy(extracted)
        table = random.choice(list(SOURCE_TABLES))
        file = random.choice([*FILES, "bound"])
        key = bounds.key_of(shop.date(DAY)) if file == "bound" else key_of(table, file)
        before = world.lake.read(key)
        assert before
        flipped = bytearray(before)
        flipped[random.randrange(len(before))] ^= 1 << random.randrange(8)
        world.lake.write(key, bytes(flipped))
        refused = refusal(world)
        tally.count("faults")
        if refused:
            assert key.rpartition("/")[0] in refused
            world.lake.write(key, before)
            tally.count("reruns")
            finish(world)
        tally.compare(world, checksum)


def half(text: bytes) -> bytes:
    return text[: len(text) // 2]


def a_year_later(text: bytes) -> bytes:
    return re.sub(rb'("to_watermark": "202)6', rb"\g<1>7", text)


@pytest.mark.parametrize(
    ("change", "file"),
    [
        *((half, file) for file in ("data.csv.zst", "metadata.json", "_SUCCESS", "bound")),
        *((a_year_later, file) for file in ("metadata.json", "_SUCCESS", "bound")),
    ],
)
def test_half_a_file_or_another_watermark_is_refused_before_an_extract_begins_in_the_wrong_place(
    worlds: Worlds, extracted: World, checksum: Checksum, change: Callable[[bytes], bytes], file: str, tally: Tally
) -> None:
    world = worlds.copy(extracted)
    key = bounds.key_of(shop.date(DAY)) if file == "bound" else key_of("ops.orders", file)
    before = world.lake.read(key) or b""
    assert change(before) != before
    world.lake.write(key, change(before))
    assert key in (refusal(world) or "")
    world.lake.write(key, before)
    finish(world)
    tally.count("faults")
    tally.count("reruns")
    tally.compare(world, checksum)


@pytest.mark.parametrize("table", ["ops.orders", "ops.order_lines", "ops.products"])
@pytest.mark.parametrize("change", ["twice", "in_another_order", "twice_in_another_order"])
def test_rows_that_come_twice_or_in_another_order_are_loaded_once(
    worlds: Worlds, extracted: World, checksum: Checksum, table: str, change: str, tally: Tally
) -> None:
    world = worlds.copy(extracted)
    random = Random(f"{table} {change}")

    def changed(rows: Rows) -> Rows:
        rows = rows * 2 if "twice" in change else rows
        return random.sample(rows, len(rows)) if "order" in change else rows

    rewrite(world, table, changed)
    finish(world)
    tally.count("faults")
    tally.compare(world, checksum)


def test_the_extract_of_another_date_in_its_place_is_refused(
    worlds: Worlds, extracted: World, checksum: Checksum, tally: Tally
) -> None:
    world = worlds.copy(extracted)
    before = {file: world.lake.read(key_of("ops.orders", file)) or b"" for file in FILES}
    for file in FILES:
        world.lake.write(key_of("ops.orders", file), world.lake.read(key_of("ops.orders", file, 1)) or b"")
    assert "it holds the extract of ops.orders of 2026-01-01" in (refusal(world) or "")
    world.lake.write_all({key_of("ops.orders", file): text for file, text in before.items()})
    finish(world)
    tally.count("faults")
    tally.count("reruns")
    tally.compare(world, checksum)


def test_keys_of_deleted_rows_that_are_not_those_of_a_repair_delete_nothing(worlds: Worlds, extracted: World) -> None:
    source = worlds.copy_source(extracted)
    with settings_of(source):
        create_warehouse(source)
        load_day(source, shop.date(DAY + 1))
    source.source("delete from ops.order_lines where order_id = 21; delete from ops.orders where order_id = 21")
    run(source, ReconcileSource(shop.date(DAY + 1), repair=True))
    [key] = [file.key for file in source.lake.objects("repair/ops.orders") if file.key.endswith(repairs.DELETED_KEYS)]
    text = source.lake.read(key) or b""
    assert json.loads(text) == [[21]]
    source.lake.write(key, b"[[22]]")
    table = SOURCE_TABLES["ops.orders"]
    [folder] = repairs.folders(source.lake, table)
    found = repairs.metadata(source.lake, folder)
    with (
        settings_of(source),
        pytest.raises(BadExtract, match=key),
        postgres.transaction(source.warehouse_url, "warehouse") as cursor,
    ):
        repairs.load(cursor, source.lake, table, found)
    assert source.warehouse("select order_id from stage.orders where etl_deleted_ts is not null") == [(21,)]


def refusal(world: World) -> str | None:
    """What is said where a load is refused."""
    try:
        finish(world)
    except BadExtract as error:
        return str(error)
    return None


def key_of(table: str, file: str, day: int = DAY) -> str:
    return f"{layout.folder(table, shop.date(day))}/{file}"


def rewrite(world: World, table: str, change: Callable[[Rows], Rows]) -> None:
    """Writes an extract again, with other rows, as if it had been written so."""
    found = layout.metadata(world.lake, table, shop.date(DAY))
    assert found
    text = zstandard.ZstdDecompressor().stream_reader(world.lake.read(key_of(table, found.data)) or b"").read()
    header, *rows = csv.reader(io.StringIO(text.decode()))
    assert len(rows) > 1
    changed = change(rows)
    sheet = io.StringIO()
    csv.writer(sheet, lineterminator="\n").writerows([header, *changed])
    data = zstandard.compress(sheet.getvalue().encode())
    new = replace(found, rows=len(changed), bytes=len(data), sha256=hashlib.sha256(data).hexdigest()).to_json().encode()
    status: dict[str, Any] = json.loads(world.lake.read(key_of(table, "_SUCCESS")) or b"")
    status["sha256"]["metadata.json"] = hashlib.sha256(new).hexdigest()
    del status[seals.SEAL]
    files = {found.data: data, "metadata.json": new, "_SUCCESS": seals.seal(status)}
    world.lake.write_all({key_of(table, name): text for name, text in files.items()})
