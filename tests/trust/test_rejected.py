"""Rows that cannot be kept: how many a load goes on without, and how they come once the source is fixed."""

import pytest
from support import shop
from support.world import World

FAILED = 30
DAY = shop.date(2)
REPAIR = ("ReconcileSource", "--date", str(DAY), "--repair")
ORDERS = "select order_id from dwh.fact_order"
REJECTED = "select date, reason, row_key from etl.rejected_row"


@pytest.fixture
def loaded(world: World) -> World:
    """A shop without constraints on orders, loaded up to day 1; it is compared and repaired by hand alone."""
    shop.open_shop(world)
    world.source("alter table ops.orders alter column ordered_ts drop not null")
    shop.add_order(world, 1, shop.at(1), 1)
    found = world.where(RISK_API_URL="", OCEAN_RECONCILE_DAYS="0")
    found.load(shop.date(1))
    return found


def spoil(world: World, *orders: int) -> None:
    """Orders of day 2 that cannot be kept."""
    for order in orders:
        shop.add_order(world, order, shop.at(2), 1)
        world.source("update ops.orders set ordered_ts = null where order_id = %s", (order,))


def fix(world: World) -> None:
    """As a fix by hand does it: without a newer updated_ts, so that no later extract has the row."""
    world.source("update ops.orders set ordered_ts = updated_ts where ordered_ts is null")


def test_one_bad_row_of_one_stops_neither_its_table_nor_the_rest_of_the_day(loaded: World) -> None:
    spoil(loaded, 2)
    shop.add_product(loaded, 2, 5, shop.at(2))
    loaded.where(OCEAN_MAX_REJECTED_ROWS="").load(DAY)  # as it is in luigi.cfg
    assert loaded.rows(REJECTED) == {(DAY, "ordered_ts is missing", "[2]")}
    assert loaded.rows(ORDERS) == {(1,)}
    assert loaded.rows("select product_id from dwh.dim_product where product_id > 0") == {(1,), (2,)}
    assert loaded.rows("select order_id from dwh.fact_order_line where order_id = 2") == {(2,)}


def test_more_bad_rows_than_both_limits_allow_stop_the_load(loaded: World) -> None:
    spoil(loaded, 2, 3)
    output = loaded.where(OCEAN_MAX_REJECTED="0.5", OCEAN_MAX_REJECTED_ROWS="1").load(DAY, expect=FAILED)
    assert "cannot load ops.orders of 2026-01-02, because 2 of 2 rows cannot be kept (ordered_ts is missing)" in output
    loaded.where(OCEAN_MAX_REJECTED="0.5", OCEAN_MAX_REJECTED_ROWS="2").load(DAY)


def test_rows_that_stopped_a_load_are_in_the_warehouse_when_the_advice_was_followed(loaded: World) -> None:
    spoil(loaded, 2, 3)
    shop.add_order(loaded, 4, shop.at(2), 1)
    output = loaded.load(DAY, expect=FAILED)
    fix(loaded)
    loaded.load(DAY, expect=FAILED)  # the extract stays as it was
    patient = loaded.where(OCEAN_MAX_REJECTED="1")
    advice = "fix them in the source, run this once with OCEAN_MAX_REJECTED=1 to load the rest, then run"
    assert f"{advice} .venv/bin/luigi --module pipeline {' '.join(REPAIR)}" in output
    patient.load(DAY)
    assert loaded.rows(ORDERS) == {(1,), (4,)}
    loaded.luigi(*REPAIR)
    assert loaded.rows(ORDERS) == {(1,), (2,), (3,), (4,)}
    assert loaded.rows(REJECTED) == set()

    loaded.load(shop.date(3))
    checksum = loaded.checksum()
    loaded.luigi("RebuildTable", "--table", "ops.orders")  # without more leave than the load of the date had
    assert loaded.rows("select order_id from stage.orders") == {(1,), (2,), (3,), (4,)}
    assert loaded.rows(REJECTED) == set()
    patient.luigi("RebuildWarehouse", "--replace")
    assert loaded.checksum() == checksum
    assert loaded.rows(REJECTED) == set()


def test_a_rebuilt_table_takes_no_bad_extract_that_was_never_loaded(loaded: World) -> None:
    spoil(loaded, 2, 3)
    loaded.load(DAY, expect=FAILED)
    output = loaded.luigi("RebuildTable", "--table", "ops.orders", expect=FAILED)
    assert "because 2 of 2 rows cannot be kept" in output
    assert "OCEAN_MAX_REJECTED=1" in output
    assert loaded.rows("select order_id from stage.orders") == {(1,)}


def test_of_rejected_rows_only_those_that_were_fixed_are_a_difference(loaded: World) -> None:
    spoil(loaded, 2, 3)
    loaded.where(OCEAN_MAX_REJECTED="1").load(DAY)
    compare = REPAIR[:-1]
    loaded.luigi(*compare)
    loaded.source("update ops.orders set ordered_ts = updated_ts where order_id = 2")
    loaded.luigi(*compare, expect=FAILED)
    assert loaded.rows("select table_name, kind, key from etl.difference") == {("ops.orders", "missing", "[2]")}
    loaded.luigi(*REPAIR)
    assert loaded.rows(ORDERS) == {(1,), (2,)}
    assert loaded.rows(REJECTED) == {(DAY, "ordered_ts is missing", "[3]")}


def test_a_repair_of_bad_rows_alone_stops_no_later_load(loaded: World) -> None:
    loaded.source("update ops.orders set ordered_ts = null where order_id = 1")
    loaded.luigi("ReconcileSource", "--date", str(shop.date(1)), "--repair", expect=FAILED)
    shop.add_order(loaded, 2, shop.at(2), 1)
    loaded.load(DAY)
    assert loaded.rows(ORDERS) == {(1,), (2,)}
