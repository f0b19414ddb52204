"""Rows that the source deletes: marked, kept as history, and out of the KPIs; back again when they come back."""

from collections.abc import Callable

import pytest
from support.loads import keep_mart
from support.receivers import webhook
from support.shop import add_order, at, date, insert, open_shop, update
from support.world import World, Worlds

KPIS = "select sales::float, orders, unique_customers from mart.kpi_monthly"


@pytest.fixture(scope="module")
def first(worlds: Worlds) -> World:
    """Orders 1 (customer 1, two lines of 20) and 2 (customer 2, one line of 20), loaded."""
    world = worlds.new()
    open_shop(world)
    insert(world, "customers", at(1), customer_id=2, first_name="Li", last_name="Po", registered_on=date(1))
    add_order(world, 1, at(2), 1, 1)
    add_order(world, 2, at(2), 1, customer_id=2)
    found = world.where(RISK_API_URL="")
    found.load(date(2))
    assert found.rows(KPIS) == {(60, 2, 2)}
    return found


@pytest.fixture
def loaded(first: World, worlds: Worlds, enter: Callable[[World], World]) -> World:
    """A copy of it."""
    return enter(worlds.copy_all(first))


def repair(world: World, day: int = 2) -> None:
    world.luigi("ReconcileSource", "--date", str(date(day)), "--repair")


def test_a_deleted_order_leaves_the_kpis_but_not_the_history(loaded: World) -> None:
    loaded.source("delete from ops.order_lines where order_id = 2")
    loaded.source("delete from ops.orders where order_id = 2")
    repair(loaded)
    assert loaded.rows("select order_id, order_amount::float, line_count, is_deleted from dwh.fact_order") == {
        (1, 40, 2, False),
        (2, 20, 1, True),
    }
    assert loaded.rows("select distinct order_id, is_deleted from dwh.fact_order_line") == {(1, False), (2, True)}
    assert loaded.rows(KPIS) == {(40, 1, 1)}
    assert loaded.rows("select sales::float, orders from mart.sales_by_product") == {(40, 1)}


def test_a_deleted_line_no_longer_counts_for_its_order(loaded: World) -> None:
    loaded.source("delete from ops.order_lines where order_id = 1 and line_number = 2")
    repair(loaded)
    assert loaded.rows("select order_amount::float, line_count from dwh.fact_order where order_id = 1") == {(20, 1)}
    assert loaded.rows("select line_number, is_deleted from dwh.fact_order_line where order_id = 1") == {
        (1, False),
        (2, True),
    }
    assert loaded.rows(KPIS) == {(40, 2, 2)}
    loaded.luigi("CheckWarehouse", "--date", str(date(2)), "--whole")


def test_a_deleted_customer_stays_a_member(loaded: World) -> None:
    loaded.source("delete from ops.order_lines where order_id = 2")
    loaded.source("delete from ops.orders where order_id = 2")
    loaded.source("delete from ops.customers where customer_id = 2")
    repair(loaded)
    assert loaded.rows("select customer_id, first_name, is_deleted from dwh.dim_customer where customer_id > 0") == {
        (1, "Ada", False),
        (2, "Li", True),
    }


def test_a_row_that_comes_back_is_not_deleted(loaded: World) -> None:
    loaded.source("delete from ops.order_lines where order_id = 2")
    repair(loaded)
    assert loaded.rows(KPIS) == {(40, 2, 2)}
    insert(loaded, "order_lines", at(3), order_id=2, line_number=1, product_id=1, quantity=3, unit_price=10)
    loaded.load(date(3))
    assert loaded.rows("select order_amount::float, is_deleted from dwh.fact_order where order_id = 2") == {(30, False)}
    assert loaded.rows(KPIS) == {(70, 2, 2)}
    # The repair that marked it lies on the lake, before the extract that brought it back.
    checksum = loaded.checksum()
    loaded.luigi("RebuildWarehouse", "--replace")
    assert loaded.checksum() == checksum


def test_a_warehouse_from_the_lake_knows_what_was_deleted(loaded: World) -> None:
    loaded.source("delete from ops.order_lines where order_id = 2")
    loaded.source("delete from ops.orders where order_id = 2")
    repair(loaded)
    checksum = loaded.checksum()
    loaded.luigi("RebuildWarehouse", "--replace")
    assert loaded.checksum() == checksum
    loaded.luigi("RebuildTable", "--table", "ops.orders")
    loaded.luigi("RebuildTable", "--table", "fact_order")
    keep_mart(loaded)
    assert loaded.checksum() == checksum


def test_deletions_are_looked_for_every_few_days_by_the_loads_themselves(loaded: World) -> None:
    weekly = loaded.where(OCEAN_RECONCILE_DAYS="3", OCEAN_MAX_LAG_HOURS="1000000")
    loaded.source("delete from ops.order_lines where order_id = 2")
    update(loaded, "orders", {"order_id": 1}, at(4), order_status_id=2)
    weekly.load(date(4))
    assert loaded.rows("select load_date from etl.reconciliation") == set()
    with webhook("/hook") as receiver:
        output = weekly.where(OCEAN_ALERT_URL=receiver.url).load(date(5))
    assert "WARNING: 1 rows of ops.order_lines were marked as deleted" in output
    [alert] = receiver.posts
    assert (alert["severity"], alert["warnings"]) == (
        "warn",
        [f"{date(5)}: 1 rows of ops.order_lines were marked as deleted"],
    )
    [finding] = weekly.findings()
    assert (finding["severity"], finding["what"]) == ("warn", alert["warnings"][0])
    assert loaded.rows("select distinct load_date from etl.reconciliation") == {(date(5),)}
    assert loaded.rows("select order_id from dwh.fact_order_line where is_deleted") == {(2,)}
    assert "ReconcileSource" not in weekly.load(date(6))
    assert weekly.findings() == []
