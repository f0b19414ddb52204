"""`python -m pipeline show order`: where an order came from, what it waits for, where it counts."""

import csv
import io
import json
from typing import Any

from support.shop import add_order, add_product, at, date, insert, update
from support.world import World, closed_port

from pipeline.lake.compressed import Source

ERROR, TASK_FAILED = 2, 30
TABLES = ("ops.orders", "ops.order_lines")
BREAK = "alter table dwh.{0} add constraint broken check ({1}) not valid"
REPAIR = "alter table dwh.{0} drop constraint broken"


def shown(world: World, order_id: int, *words: str) -> Any:
    return json.loads(world.command("show", "order", str(order_id), "--json", *words))


def rows_of(world: World, extract: Any) -> dict[int, list[str]]:
    """The rows of an extract by the line at which each begins."""
    [place] = {place["file"] for place in extract["places"]}
    body = world.lake.open(f"{extract['folder']}/{place}")
    assert body
    lines = Source(body, lambda _: None).text(place).read().splitlines()
    return {number: next(csv.reader(io.StringIO(line))) for number, line in enumerate(lines, 1)}


def test_an_order_is_followed_from_the_source_to_the_mart(shop: World) -> None:
    add_product(shop, 2, 5)
    add_order(shop, 7, at(2), 1)
    add_order(shop, 8, at(2), 1, 2)
    shop.load(date(2))
    add_order(shop, 9, at(3), 1)
    shop.load(date(3))
    found = shown(shop, 8)
    assert found["source_order"]["customer_id"] == 1
    assert [line["product_id"] for line in found["source_lines"]] == [1, 2]
    orders, lines = found["extracts"]
    assert orders["folder"] == f"extract/ops.orders/date={date(2)}"
    assert [place["key"] for place in (*orders["places"], *lines["places"])] == [[8], [8, 1], [8, 2]]
    for extract in (orders, lines):
        for place in extract["places"]:
            assert rows_of(shop, extract)[place["line"]][0] == "8"
    assert (found["stage"]["order"]["etl_batch"], found["stage"]["order"]["etl_deleted_ts"]) == (orders["batch"], None)
    assert found["stage"]["lines"][0]["loaded_ts"] == lines["loaded_ts"]
    assert found["star"]["fact"]["order_amount"] == 40
    assert found["star"]["fact"]["members"]["dim_address"]["country"] == "USA"
    assert found["star"]["lines"][1]["members"]["dim_product"]["unit_price"] == 5
    cells = {(cell["aggregate"], cell["of"]): cell["orders"] for cell in found["mart"]["cells"]}
    assert cells == {
        ("mart.agg_order_month", ""): 3,
        ("mart.agg_product_month", "product 1"): 3,
        ("mart.agg_product_month", "product 2"): 1,
        ("mart.agg_subtype_month", "Vinyl"): 3,
    }
    assert (found["mart"]["waits"], found["mart"]["left_out"]) == ([], "")
    ran = [(run["task"], run["table"], run["date"]) for run in found["runs"]]
    assert set(ran) == {
        *((task, table, str(date(2))) for task in ("ExtractTable", "LoadStage") for table in TABLES),
        *(("LoadFact", table, str(date(2))) for table in ("fact_order", "fact_order_line")),
        ("LoadMart", "", str(date(2))),
        ("DailyWarehouseLoad", "", str(date(2))),
    }  # fmt: skip
    text = shop.command("show", "order", "8")
    assert f"extract/ops.orders/date={date(2)}  (batch {orders['batch']}" in text
    assert "8/2: data.csv.zst, line " in text
    assert "product_id 2, name Record 2, unit_price 5, valid_from" in text


def test_a_value_with_line_ends_does_not_shift_the_lines(shop: World) -> None:
    # A column that the warehouse does not use.
    shop.source("alter table ops.orders add column note text")
    add_order(shop, 1, at(2), 1, note="two\nlines")
    add_order(shop, 2, at(2), 1, note="one")
    shop.load(date(2))
    [place] = shown(shop, 2)["extracts"][0]["places"]
    assert place["line"] == 4


def test_an_order_whose_customer_is_held_back_says_what_it_waits_for_and_why(shop: World) -> None:
    shop.load(date(1))
    shop.warehouse(BREAK.format("dim_customer", "customer_id <> 2"))
    insert(shop, "customers", at(2), customer_id=2, first_name="Li", last_name="Po", registered_on=date(2))
    add_order(shop, 1, at(2), 1, customer_id=2)
    shop.load(date(2), expect=TASK_FAILED)
    [wait] = shown(shop, 1)["star"]["waits"]
    assert (wait["business_key"], wait["dimension"], wait["dimension_key"]) == ("1", "dim_customer", "2")
    assert wait["last_load"] == "failed"
    text = shop.command("show", "order", "1")
    assert "customer_key -1, waits for dim_customer 2 since " in text
    assert "; its last load: failed, " in text
    shop.warehouse(REPAIR.format("dim_customer"))
    shop.load(date(2))
    assert "customer_id 2, first_name masked, last_name masked" in shop.command("show", "order", "1")


def test_a_line_that_waits_is_told_from_one_that_does_not(shop: World) -> None:
    shop.source("alter table ops.order_lines drop constraint order_lines_product_id_fkey")
    add_order(shop, 1, at(2), 1, 99, 98)
    shop.load(date(2))
    text = shop.command("show", "order", "1")
    assert [text.count(f"waits for dim_product {product} since ") for product in (99, 98)] == [1, 1]
    assert "supplier_key -1: unknown, and waits for nothing" in text
    assert "product_id 1, name Record 1" in text


def test_a_version_of_a_price_that_comes_late_is_the_one_that_is_shown_then(shop: World) -> None:
    shop.load(date(2))
    shop.warehouse(BREAK.format("dim_product", "unit_price <> 12"))
    update(shop, "products", {"product_id": 1}, at(3), unit_price=12)
    add_order(shop, 1, at(4), 1, price=12)
    shop.load(date(4), expect=TASK_FAILED)
    assert "unit_price 10, valid_from the beginning, valid_to the end" in shop.command("show", "order", "1")
    shop.warehouse(REPAIR.format("dim_product"))
    shop.load(date(4))
    assert f"unit_price 12, valid_from {at(3):%Y-%m-%d %H:%M:%S}, valid_to the end" in shop.command(
        "show", "order", "1"
    )


def test_a_deleted_order_is_shown_as_deleted_with_the_repair_that_said_so(shop: World) -> None:
    for number in (1, 2):
        add_order(shop, number, at(2), 1)
    shop.load(date(2))
    shop.source("delete from ops.order_lines where order_id = 1; delete from ops.orders where order_id = 1")
    shop.luigi("ReconcileSource", "--date", str(date(2)), "--repair")
    shop.load(date(3))
    found = shown(shop, 1)
    assert found["source_order"] is None
    assert found["stage"]["order"]["etl_deleted_ts"]
    assert found["star"]["fact"]["is_deleted"]
    assert all(each["folder"].startswith("repair/") and not each["places"] for each in found["extracts"])
    assert len(found["extracts"]) == 2
    text = shop.command("show", "order", "1")
    assert "no line: it says that the row is deleted" in text
    assert "deleted orders are not counted" in text


def test_what_the_mart_has_not_counted_yet_is_told(shop: World) -> None:
    add_order(shop, 1, at(2), 1)
    shop.load(date(2))
    update(shop, "orders", {"order_id": 1}, at(3), order_status_id=2)
    shop.where(OCEAN_MART="0").load(date(3))
    assert shown(shop, 1)["mart"]["waits"] == ["mart.order_before"]
    assert "not counted yet as it is now: noted in mart.order_before" in shop.command("show", "order", "1")


def test_who_somebody_is_is_masked_unless_it_is_asked_for(shop: World) -> None:
    add_order(shop, 1, at(2), 1)
    shop.load(date(2))
    for words in (), ("--json",):
        hidden, personal = (shop.command("show", "order", "1", *words, *more) for more in ((), ("--personal",)))
        for name in ("Ada", "Byron", "1 Pier"):
            assert name not in hidden
            assert name in personal
        assert "Eureka" in hidden


def test_a_source_or_a_lake_that_does_not_answer_leaves_the_rest(shop: World) -> None:
    add_order(shop, 1, at(2), 1)
    shop.load(date(2))
    away = shop.where(OPERATIONAL_URL=f"postgresql://nobody@127.0.0.1:{closed_port()}/none")
    found = shown(away, 1)
    assert "cannot reach" in found["problems"]["source"]
    assert found["star"]["fact"]
    found = shown(shop.where(LAKE_URL="s3://no-such-bucket"), 1)
    assert "cannot use the lake" in found["problems"]["lake"]
    assert found["star"]["fact"]
    shop.lake.delete([f"extract/ops.orders/date={date(2)}/_SUCCESS"])
    found = shown(shop, 1)
    assert "its extract is not finished" in found["extracts"][0]["problem"]
    assert found["star"]["fact"]


def test_a_rejected_order_says_why_and_one_that_is_nowhere_what_to_do(shop: World) -> None:
    shop.source("alter table ops.orders alter column updated_ts drop not null")
    add_order(shop, 1, at(2), 1)
    shop.source("alter table ops.orders alter column ordered_ts drop not null")
    shop.source("update ops.orders set ordered_ts = null")
    shop.where(OCEAN_MAX_REJECTED_ROWS="1").load(date(2))
    assert "ops.orders 2026-01-02: " in shop.command("show", "order", "1")
    told = shop.command("show", "order", "4711", expect=ERROR)
    assert "cannot show order 4711, because neither the source nor stage nor dwh has it" in told
    assert "look the number up in ops.orders" in told


def test_an_order_that_no_load_has_taken_yet_is_in_the_source_alone(shop: World) -> None:
    add_order(shop, 1, at(2), 1)
    found = shown(shop, 1)
    assert found["source_order"]["order_id"] == 1
    assert (found["stage"]["order"], found["star"]["fact"], found["extracts"], found["runs"]) == (None, None, [], [])
