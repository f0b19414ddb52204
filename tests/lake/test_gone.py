"""What is not on the lake where it must be is named, with what to do."""

from pathlib import Path

import pytest
from support.shop import date
from support.world import World

from pipeline.catalog import SOURCE_TABLES
from pipeline.feeds import purchases
from pipeline.kernel import postgres
from pipeline.kernel.errors import BadExtract, ServiceDown
from pipeline.lake import folders
from pipeline.lake.parquet import ParquetCsv
from pipeline.source import bounds
from pipeline.stage import loads, repairs


def test_a_file_that_is_removed_after_it_was_listed(shop: World, tmp_path: Path) -> None:
    shop.lake.write("models/a/part-0", b"")
    listed = folders.objects(shop.lake, ["models/a"])
    shop.lake.delete(entry.key for entry in listed)
    with pytest.raises(ServiceDown, match=r"cannot read models/a/part-0 .* removed since it was listed; run the same"):
        folders.fetch(shop.lake, listed, tmp_path)


def test_a_parquet_file(shop: World) -> None:
    rows = ParquetCsv(shop.lake, [("stage/a/date=2026-01-01/part-0.parquet", {})], {"cid": "int64"}, ["cid"])
    assert rows.read(4) == b"cid\n"
    with pytest.raises(BadExtract, match="the file is not there; delete the folder stage/a/date=2026-01-01 on the"):
        rows.read()


def test_the_bound_of_a_date(shop: World) -> None:
    with pytest.raises(BadExtract, match="because no bound was chosen; run ChooseBound for the date first"):
        bounds.chosen(shop.lake, date(1))


def test_the_purchases_of_a_date(shop: World) -> None:
    where = purchases.folder(date(1), 1)
    with (
        postgres.transaction(shop.warehouse_url, "warehouse") as cursor,
        pytest.raises(BadExtract, match="ExtractPurchases"),
    ):
        purchases.load(cursor, shop.lake, where, date(1), 1)


def test_the_extract_and_the_repair_of_a_table(shop: World) -> None:
    with pytest.raises(BadExtract, match="because its extract is not finished; run ExtractTable for it first"):
        loads.newest(shop.lake, SOURCE_TABLES["ops.orders"], date(1), [])
    with pytest.raises(BadExtract, match="because its extract is not finished; run ReconcileSource --repair for it"):
        repairs.metadata(shop.lake, "repair/ops.orders/made=20260101T000000Z")
