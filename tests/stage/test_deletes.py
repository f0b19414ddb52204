"""Rows that the source deletes: marked, kept as history, and out of the KPIs; back again when they come back."""

from collections.abc import Callable

import pytest
from support.feeds_world import run
from support.loads import extract_date, keep_mart, load_stages
from support.receivers import webhook
from support.shop import add_order, at, date, insert, open_shop
from support.world import World, Worlds

from pipeline.catalog import DIMENSIONS, FACTS, SOURCE_TABLES
from pipeline.tasks.reconcile_source import ReconcileSource

WAITING = "select business_key, dimension from etl.reprocessing_queue where resolved_ts is null"
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


def test_a_deleted_line_does_not_wait_for_an_order_that_never_came(loaded: World) -> None:
    """As when a load is killed between two extracts, and both rows are deleted before the next one (seed 979)."""
    loaded.source("alter table ops.order_lines drop constraint order_lines_order_id_fkey")
    row = {"order_id": 9, "line_number": 1, "product_id": 1, "quantity": 1, "unit_price": 10}
    insert(loaded, "order_lines", at(3), **row)
    loaded.load(date(3))
    assert loaded.rows(WAITING) == {("9/1", "fact_order")}
    loaded.source("delete from ops.order_lines where order_id = 9")
    loaded.luigi("ReconcileSource", "--date", str(date(3)), "--repair", "--allow-deletes")
    assert loaded.rows(WAITING) == set()
    loaded.luigi("CheckWarehouse", "--date", str(date(3)), "--whole")


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


def test_deletions_are_looked_for_within_a_few_days_by_the_loads_themselves(loaded: World) -> None:
    patient = loaded.where(OCEAN_RECONCILE_DAYS="3", OCEAN_MAX_LAG_HOURS="1000000")
    loaded.source("delete from ops.order_lines where order_id = 2")
    told = []
    for day in (3, 4, 5):
        with webhook("/hook") as receiver:
            output = patient.where(OCEAN_ALERT_URL=receiver.url).load(date(day))
        said = f"{date(day)}: 1 rows of ops.order_lines were marked as deleted"
        warnings = [("warn", [said])] if receiver.posts else []
        assert [(alert["severity"], alert["warnings"]) for alert in receiver.posts] == warnings
        assert ("WARNING: 1 rows of ops.order_lines were marked as deleted" in output) is bool(warnings)
        assert [(finding["severity"], finding["what"]) for finding in patient.findings()] == [
            (severity, what) for severity, [what] in warnings
        ]
        told += warnings
    assert len(told) == 1
    assert loaded.rows("select order_id from dwh.fact_order_line where is_deleted") == {(2,)}
    compared = loaded.warehouse("select table_name from etl.reconciliation")
    assert sorted(name for (name,) in compared) == sorted(SOURCE_TABLES)
    assert len(loaded.rows("select distinct load_date from etl.reconciliation")) == 3


def test_a_comparison_in_turn_comes_after_the_loads_and_leaves_out_what_another_load_brings(loaded: World) -> None:
    compare = ReconcileSource(date(5), repair=True, in_turn=True)
    names = {(task.task_family, getattr(task, "table", "")) for task in compare.requires()}
    assert names >= {*(("LoadFact", name) for name in FACTS), *(("LoadDimension", name) for name in DIMENSIONS)}
    loaded.where(OCEAN_RECONCILE_DAYS="0").load(date(5))
    add_order(loaded, 3, at(6), 1)
    extract_date(loaded, date(6))
    load_stages(loaded, date(6))
    run(loaded.where(OCEAN_RECONCILE_DAYS="3"), compare)  # three days after the first load: all are due
    compared = {name for (name,) in loaded.warehouse("select table_name from etl.reconciliation")}
    assert {*SOURCE_TABLES} - compared == {"ops.orders", "ops.order_lines"}
    assert loaded.warehouse("select count(*) from mart.refill") == [(0,)]
