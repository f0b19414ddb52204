"""A source or a warehouse that was restored from its backup: what lies on the lake brings both together again."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from support.guide import documented
from support.shop import add_order, at, date, open_shop, update
from support.world import World, Worlds, closed_port

PRICES = "select unit_price::float, valid_from, is_current from dwh.dim_product where product_id = 1"


@pytest.fixture(scope="module")
def first(worlds: Worlds) -> World:
    """Orders 1 and 2, and a price of 12 since day 2."""
    world = worlds.new()
    open_shop(world)
    update(world, "products", {"product_id": 1}, at(2, 6), unit_price=12)
    add_order(world, 1, at(2), 1, 1, price=12)
    add_order(world, 2, at(2), 1, price=12)
    found = world.where(RISK_API_URL="")
    found.load(date(2))
    return found


@pytest.fixture
def loaded(first: World, worlds: Worlds, enter: Callable[[World], World]) -> World:
    """A copy of it."""
    return enter(worlds.copy_all(first))


def reconcile(world: World, day: int, expect: int = 0) -> None:
    world.luigi("ReconcileSource", "--date", str(date(day)), "--repair", expect=expect)


def restore_source(world: World) -> None:
    """The source goes back to where there was neither order 2 nor the price of 12."""
    world.source("delete from ops.order_lines where order_id = 2; delete from ops.orders where order_id = 2")
    world.source("update ops.products set unit_price = 10, updated_ts = %s where product_id = 1", (at(1, 0),))


def test_a_repair_wins_over_newer_rows_of_a_source_that_was_restored_and_loses_to_what_comes_after(
    loaded: World,
) -> None:
    restore_source(loaded)
    reconcile(loaded, 2)
    assert loaded.rows("select unit_price::float, updated_ts from stage.products") == {(10, at(1, 0))}
    assert loaded.rows("select order_id, is_deleted from dwh.fact_order") == {(1, False), (2, True)}
    # When the price went back nobody knows: it holds from the end of what was loaded on.
    prices = {(12, at(2, 6), False), (10, at(3, 0), True)}
    assert loaded.rows(f"{PRICES} and valid_from > '1900-01-01'") == prices

    add_order(loaded, 2, at(3), 1, price=11)  # the key is used again
    update(loaded, "products", {"product_id": 1}, at(3, 6), unit_price=11)
    loaded.load(date(3))
    assert loaded.rows("select order_id, order_amount::float, is_deleted from dwh.fact_order where order_id = 2") == {
        (2, 22, False)
    }
    assert loaded.rows(f"{PRICES} and is_current") == {(11, at(3, 6), True)}
    reconcile(loaded, 3)
    checksum = loaded.checksum()
    loaded.luigi("RebuildWarehouse", "--replace")
    assert loaded.checksum() == checksum


def test_a_restored_warehouse_takes_in_what_was_repaired_since(loaded: World, worlds: Worlds) -> None:
    backup = replace(loaded, warehouse_url=worlds.copy_warehouse(loaded))
    loaded.source("delete from ops.order_lines where order_id = 2; delete from ops.orders where order_id = 2")
    loaded.source("update ops.order_lines set quantity = 9 where order_id = 1")  # without a word
    reconcile(loaded, 2)
    update(loaded, "order_lines", {"order_id": 1, "line_number": 2}, at(3), quantity=1)
    for world in (loaded, backup):
        world.load(date(3))
    assert backup.rows("select line_number, quantity, is_deleted from dwh.fact_order_line where order_id = 1") == {
        (1, 9, False),
        (2, 1, False),
    }
    assert backup.checksum() == loaded.checksum()


def test_a_restored_warehouse_is_as_if_it_had_never_been_lost_when_the_guide_was_followed(
    loaded: World, worlds: Worlds
) -> None:
    loaded = loaded.where(RISK_API_URL=f"http://127.0.0.1:{closed_port()}/")  # the answers are on the lake
    backup = replace(loaded, warehouse_url=worlds.copy_warehouse(loaded))
    for day, scores in ((3, [{"customer_id": 1, "risk_score": 7}]), (4, [])):
        where = f"extract/api.risk_score/date={date(day)}"
        loaded.lake.write(f"{where}/answer.json", json.dumps(scores).encode())
        loaded.lake.write(f"{where}/_SUCCESS", b"{}")
        update(loaded, "order_lines", {"order_id": 1, "line_number": 2}, at(day), quantity=day)
        loaded.load(date(day))
    with_newest = replace(loaded, warehouse_url=worlds.copy_warehouse(loaded))
    loaded.source("delete from ops.order_lines where order_id = 2; delete from ops.orders where order_id = 2")
    reconcile(loaded, 4)
    loaded.luigi("ClearDate", "--date", str(date(4)))
    loaded.load(date(4))
    assert loaded.rows("select risk_score from dwh.dim_customer where customer_id = 1") == {(7,)}
    commands = documented("Restored warehouse", {"2026-11-10": date(2), "2026-11-19": date(4), "2026-11-20": date(5)})
    assert len(commands) == 3
    for restored in (backup, with_newest):
        for command in commands:
            restored.luigi(*command.split())
        assert restored.checksum() == loaded.checksum()


def test_an_upgraded_warehouse_has_the_repairs_that_it_compared_after(loaded: World, worlds: Worlds) -> None:
    loaded.source("delete from ops.order_lines where order_id = 2; delete from ops.orders where order_id = 2")
    reconcile(loaded, 2)
    batches = "select order_id, etl_batch, etl_deleted_ts from stage.orders"
    before = loaded.rows(batches)
    knows_it, does_not = (replace(loaded, warehouse_url=worlds.copy_warehouse(loaded)) for _ in range(2))
    for world in (knows_it, does_not):
        world.warehouse("drop table etl.stage_load; delete from etl.marker where update_id like 'CreateWarehouse%'")
    does_not.warehouse("delete from etl.reconciliation; update stage.orders set etl_deleted_ts = null")
    for world in (knows_it, does_not):
        world.load(date(3))
    assert knows_it.rows(batches) == before
    assert does_not.rows("select order_id, etl_deleted_ts from stage.orders") == {(a, c) for a, _, c in before}
