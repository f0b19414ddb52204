"""A warehouse built from the lake alone, and dates that are loaded over."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.feeds_world import classify, deliver_orders, deliver_reviews, run
from support.loads import keep_mart, locks_waited_for
from support.shop import add_order, at, date, open_shop, update
from support.world import World, Worlds

from pipeline.catalog import FACTS, SOURCE_TABLES
from pipeline.kernel import locks, postgres
from pipeline.tasks.rebuild import ClearDate

GONE = {"OPERATIONAL_URL": "postgresql://nobody@127.0.0.1:1/none", "RISK_API_URL": "http://127.0.0.1:1/scores"}
DAYS = (2, 3)


@pytest.fixture(scope="module")
def first(worlds: Worlds) -> World:
    """Two days with orders, a new price, and something from every feed, each day loaded by itself."""
    world = worlds.new()
    open_shop(world)
    with_scores = world.where(RISK_API_URL=GONE["RISK_API_URL"])
    for day in DAYS:
        update(world, "products", {"product_id": 1}, at(day, 6), unit_price=10 + day)
        add_order(world, day, at(day), 1, 1, price=10 + day, delivered_ts=None)
        update(world, "order_lines", {"order_id": day, "line_number": 1}, at(day), quantity=5)
        deliver_orders(world, day, f"P{day},1,I1,Song,26-01-0{day} 10:00:00")
        deliver_reviews(world, day, (1, "a good film"), (1, f"a bad one {day}"))
        classify(world, day)
        keep_answer(world, day, score=day)
        with_scores.load(date(day))
    assert world.rows("select risk_score from dwh.dim_customer where customer_id = 1") == {(3,)}
    for table in ("fact_review", "fact_partner_order", "user_behavior_metric"):
        assert world.warehouse(f"select count(*) >= 2 from dwh.{table}") == [(True,)], table
    return world


@pytest.fixture
def loaded(first: World, worlds: Worlds, enter: Callable[[World], World]) -> World:
    """A copy of it."""
    return enter(worlds.copy_all(first))


def keep_answer(world: World, day: int, score: int) -> None:
    """The risk-score service's answer of a day as ExtractRiskScores keeps it."""
    folder = f"extract/api.risk_score/date={date(day)}"
    world.lake.write(f"{folder}/answer.json", json.dumps([{"customer_id": 1, "risk_score": score}]).encode())
    world.lake.write(f"{folder}/_SUCCESS", b"{}")


def test_the_lake_alone_builds_the_same_warehouse(loaded: World) -> None:
    checksum = loaded.checksum()
    alone = loaded.where(**GONE)
    assert "there is one already" in alone.luigi("RebuildWarehouse", expect=30)
    assert loaded.checksum() == checksum

    loaded.warehouse("update dwh.dim_customer set first_name = 'Eve'")
    assert loaded.checksum() != checksum
    alone.luigi("RebuildWarehouse", "--replace")
    assert loaded.checksum() == checksum
    for day in DAYS:
        assert "Did not run any tasks" in loaded.load(date(day))


def test_a_rebuilt_warehouse_goes_on_with_the_next_day(loaded: World) -> None:
    loaded.where(**GONE).luigi("RebuildWarehouse", "--replace")
    add_order(loaded, 4, at(4), 1)
    loaded.load(date(4))
    assert loaded.rows("select order_id from dwh.fact_order") == {(2,), (3,), (4,)}


def test_a_lake_without_extracts_leaves_the_warehouse_as_it_is(loaded: World) -> None:
    checksum = loaded.checksum()
    elsewhere = loaded.where(**GONE, LAKE_URL=f"{loaded.lake_url}/nothing")
    assert "has an extract of every table" in elsewhere.luigi("RebuildWarehouse", "--replace", expect=30)
    assert loaded.checksum() == checksum


def test_a_first_load_through_the_day_that_was_killed_is_nothing_to_build_from(shop: World) -> None:
    """Found by a history (seed 19): it has a bound, and some tables are extracted."""
    killed = shop.at(at(1, 18)).faulty("kill 205 *").start("DailyWarehouseLoad", "--date", str(date(1)))
    killed.communicate(timeout=60)
    extracted = {file.key.split("/")[1] for file in shop.lake.objects("extract") if file.key.endswith("_SUCCESS")}
    assert 0 < len(extracted & set(SOURCE_TABLES)) < len(SOURCE_TABLES)
    assert "has an extract of every table" in shop.luigi("RebuildWarehouse", "--replace", expect=30)
    shop.at(at(1, 18)).load(date(1))


def test_what_cannot_be_loaded_is_named_at_once_before_anything_is_dropped(loaded: World) -> None:
    loaded.source("delete from ops.order_lines where order_id = 3 and line_number = 2")
    loaded.where(RISK_API_URL="").luigi("ReconcileSource", "--date", str(date(3)), "--repair")
    checksum = loaded.checksum()
    lake, (two, three) = loaded.lake, (f"date={date(day)}" for day in DAYS)
    [repair] = [file.key for file in lake.objects("repair/ops.order_lines") if file.key.endswith("deleted.json")]
    [parquet] = [file.key for file in lake.objects(f"stage/movie_review/{two}") if file.key.endswith(".parquet")]
    orders, purchases = (f"extract/{name}/{two}/data.csv.zst" for name in ("ops.orders", "retail.user_purchase"))
    lake.write(orders, bytes(reversed(lake.read(orders) or b"")))
    lake.write(purchases, lake.read(purchases) + b"\0")  # type: ignore[operator]
    lake.write(f"extract/ops.customers/{two}/metadata.json", b"{}")
    lake.write(f"extract/api.risk_score/{two}/answer.json", b"<html>")
    lake.write(parquet, b"PAR1")
    lake.write(repair, b"[]")
    lake.delete(
        [
            f"extract/ops.suppliers/{three}/data.csv.zst",
            *(file.key for file in lake.objects(f"extract/ops.states/{two}")),
        ]
    )
    output = loaded.where(**GONE).luigi("RebuildWarehouse", "--replace", expect=30)
    for problem in (
        f"{orders}, because its bytes are not those that were written",
        f"{purchases}, because it has",
        f"extract/ops.customers/{two}/metadata.json, because it is not what an extract writes there",
        "read the risk scores, because the answer is not a JSON list",
        f"{parquet}, because it is not the Parquet",
        f"{repair}, because it is not what an extract writes there",
        f"extract/ops.suppliers/{three}/data.csv.zst, because the file is not there",
        f"cannot load ops.states of {date(3)}, because it begins at",
    ):
        assert problem in output
    assert "(8 errors)" in output
    assert loaded.checksum() == checksum

    for table in SOURCE_TABLES:
        lake.delete([f"extract/{table}/{three}/data.csv.zst"])
    output = loaded.where(**GONE).luigi("RebuildWarehouse", "--replace", expect=30)
    assert "; and 9 more; nothing was dropped" in output
    assert loaded.checksum() == checksum
    assert "Did not run any tasks" in loaded.load(date(3))


def test_a_date_that_is_cleared_is_loaded_again_and_fixes_what_was_wrong(loaded: World) -> None:
    checksum = loaded.checksum()
    loaded.warehouse("update dwh.fact_order set order_amount = 0")
    loaded.warehouse("delete from dwh.fact_order_line where order_id = 2")
    assert "Did not run any tasks" in loaded.load(date(3))
    loaded.luigi("ClearDate", "--date", str(date(3)))
    assert loaded.rows("select load_date from etl.marker where load_date is not null") == {(date(2),)}
    loaded.load(date(3))
    assert loaded.checksum() == checksum


def test_a_date_is_cleared_in_the_order_of_locks_that_loads_have(loaded: World) -> None:
    """A load locks its table first, and writes its marker when it is done; dim_product comes before all facts."""
    with (
        ThreadPoolExecutor(1) as pool,
        postgres.transaction(loaded.warehouse_url, "warehouse") as load,
    ):
        locks.lock_tables(load, "dwh.dim_product")
        clearing = pool.submit(run, loaded, ClearDate(date(3)))
        assert locks_waited_for(loaded, clearing) == [("dwh.dim_product", "ShareRowExclusiveLock")]
        # Nothing of what the load still needs is taken. A wait would end in a deadlock, which the loser retries.
        assert postgres.rows(load, "select from etl.marker where load_date = %s for update nowait", (date(3),))
        for fact in FACTS:
            load.execute(f"lock table dwh.{fact} in share row exclusive mode nowait")
    clearing.result()
    assert loaded.rows("select load_date from etl.marker where load_date is not null") == {(date(2),)}


@pytest.mark.parametrize(
    ("table", "broken"),
    [
        ("ops.orders", "delete from stage.orders"),
        ("ops.products", "update stage.products set unit_price = 1"),
        ("dim_customer", "update dwh.dim_customer set first_name = 'Eve' where customer_id = 1"),
        ("dim_product", "update dwh.dim_product set name = 'Noise' where product_id = 1"),
        ("dim_address", "update dwh.dim_address set country = 'Cuba' where address_id = 1"),
        ("fact_order", "update dwh.fact_order set order_amount = 0"),
        ("fact_order_line", "delete from dwh.fact_order_line"),
        ("fact_review", "update dwh.fact_review set positive_review = not positive_review"),
        ("mart", "update mart.agg_order_month set orders = 7"),
    ],
)
def test_a_table_that_is_broken_is_built_again(loaded: World, table: str, broken: str) -> None:
    before = stage_and_checksum(loaded)
    loaded.warehouse(broken)
    if table != "mart":  # it has counted what is broken
        loaded.warehouse("insert into mart.refill (reason) values ('a test')")
        keep_mart(loaded)
    assert stage_and_checksum(loaded) != before
    loaded.luigi("RebuildTable", "--table", table)
    keep_mart(loaded)  # as the next load does
    assert stage_and_checksum(loaded) == before


def stage_and_checksum(world: World) -> object:
    stage = [
        world.rows(f"select (to_jsonb(t) - 'etl_batch')::text from stage.{table} as t")
        for table in ("orders", "products", "products_version")
    ]
    return stage, world.checksum()


def test_downstream_clears_all_later_dates_too(loaded: World) -> None:
    loaded.luigi("ClearDate", "--date", str(date(2)), "--downstream")
    assert loaded.rows("select load_date from etl.marker where load_date is not null") == set()
    checksum = loaded.checksum()
    for day in DAYS:
        loaded.where(RISK_API_URL=GONE["RISK_API_URL"]).load(date(day))
    assert loaded.checksum() == checksum
