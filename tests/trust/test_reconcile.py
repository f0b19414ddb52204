"""Source and warehouse compared: each kind of difference is found down to its key, and fixed."""

import hashlib
import itertools
from collections.abc import Callable
from typing import Any

import pytest
from support.databases import admin_url, database_of, run
from support.loads import create_warehouse, extract_date, load_stages
from support.shop import add_order, at, date, insert, open_shop, update
from support.world import World, Worlds

from pipeline.catalog import SOURCE_TABLES
from pipeline.kernel import postgres
from pipeline.trust.reconcile import BUCKETS, compare

DAY = date(3)
FOUND = """
select table_name, missing, changed, vanished, dwh_missing, dwh_changed, dwh_vanished from etl.reconciliation
where missing + changed + vanished + dwh_missing + dwh_changed + dwh_vanished > 0
"""

WAITED_LITTLE = "select clock_timestamp() < state_change + interval '50 ms' from pg_stat_activity where pid = %s"


@pytest.fixture(scope="module")
def first(worlds: Worlds) -> World:
    world = worlds.new()
    open_shop(world)
    for order in range(1, 6):
        add_order(world, order, at(2), 1)
    update(world, "products", {"product_id": 1}, at(3, 6), unit_price=12)
    add_order(world, 6, at(3), 1, price=12)
    found = world.where(RISK_API_URL="")
    found.load(date(2))
    found.load(DAY)
    return found


@pytest.fixture
def loaded(first: World, worlds: Worlds, enter: Callable[[World], World]) -> World:
    """A copy of it."""
    return enter(worlds.copy_all(first))


def reconcile(world: World, *words: str, expect: int = 0) -> str:
    return world.luigi("ReconcileSource", "--date", str(DAY), *words, expect=expect)


def hidden_write(world: World) -> None:
    """A row that was committed late, below the bound that was extracted, and a change that forgot its updated_ts."""
    add_order(world, 7, at(2), 1)
    world.source("update ops.orders set ordered_ts = ordered_ts - interval '1 h' where order_id = 1")
    world.source("update ops.order_lines set quantity = 9 where order_id = 2")


def differ_though_rejected(world: World) -> None:
    """An order that changed and a line that is gone, of both of which stage has a row and rejected another one."""
    world.warehouse(
        """insert into etl.rejected_row (source, date, reason, "row") values """
        """('ops.orders', '2026-01-02', 'it was spoilt', '{"order_id": 1}'), """
        """('ops.order_lines', '2026-01-02', 'it was spoilt', '{"order_id": 5, "line_number": 1}')"""
    )
    world.source("update ops.orders set ordered_ts = ordered_ts - interval '1 h' where order_id = 1")
    world.source("delete from ops.order_lines where order_id = 5")


# What is planted, what is found, and whether a repair fixes it.
PLANTED: dict[str, tuple[Callable[[World], object], set[tuple[Any, ...]], bool]] = {
    "written behind the bound": (
        hidden_write,
        {("ops.orders", 1, 1, 0, 0, 0, 0), ("ops.order_lines", 1, 1, 0, 0, 0, 0)},
        True,
    ),
    "a price that forgot its time": (
        lambda world: world.source("update ops.products set unit_price = 13"),
        {("ops.products", 0, 1, 0, 0, 0, 0)},
        True,
    ),
    "a key of two columns": (
        lambda world: world.warehouse("delete from stage.order_lines where order_id = 3"),
        {("ops.order_lines", 1, 0, 0, 0, 0, 1)},
        True,
    ),
    "a key that is text": (
        lambda world: world.source("update ops.states set name = 'Kalifornien'"),
        {("ops.states", 0, 1, 0, 0, 0, 0)},
        True,
    ),
    "lost in dwh": (
        lambda world: world.warehouse("delete from dwh.fact_order where order_id = 4"),
        {("ops.orders", 0, 0, 0, 1, 0, 0)},
        True,
    ),
    "changed in dwh": (
        lambda world: world.warehouse("update dwh.dim_customer set first_name = 'Eve' where customer_id = 1"),
        {("ops.customers", 0, 0, 0, 0, 1, 0)},
        True,
    ),
    "deleted in the source": (
        lambda world: world.source("delete from ops.order_lines where order_id = 5"),
        {("ops.order_lines", 0, 0, 1, 0, 0, 0)},
        True,
    ),
    "of keys that were once rejected": (
        differ_though_rejected,
        {("ops.orders", 0, 1, 0, 0, 0, 0), ("ops.order_lines", 0, 0, 1, 0, 0, 0)},
        True,
    ),
    "made up in dwh": (
        lambda world: world.warehouse(
            "insert into dwh.fact_order select 99, customer_key, address_key, payment_method_key, order_status_key, "
            "ordered_date_key, delivered_date_key, ordered_ts, delivered_ts, line_count, order_amount "
            "from dwh.fact_order where order_id = 1"
        ),
        {("ops.orders", 0, 0, 0, 0, 0, 1)},
        False,
    ),
}


def test_a_warehouse_that_is_like_its_source_reconciles(loaded: World) -> None:
    # What came later is no difference.
    add_order(loaded, 8, at(4), 1)
    update(loaded, "orders", {"order_id": 1}, at(4), order_status_id=2)
    assert "ops.order_lines" in reconcile(loaded)
    assert loaded.rows(FOUND) == set()
    assert loaded.rows("select source_rows, stage_rows from etl.reconciliation where table_name = 'ops.orders'") == {
        (5, 5)
    }


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_difference_is_found_and_what_can_be_fixed_is(loaded: World, name: str) -> None:
    plant, found, fixed = PLANTED[name]
    before = loaded.checksum()
    plant(loaded)
    advice = f"run .venv/bin/luigi --module pipeline ReconcileSource --date {DAY} --repair"
    assert advice in reconcile(loaded, expect=30)
    assert loaded.rows(FOUND) == found
    assert loaded.rows("select table_name from etl.difference") == {
        (table,) for table, missing, changed, vanished, *_ in found if missing + changed + vanished
    }
    reconcile(loaded, "--repair", expect=0 if fixed else 30)
    assert (loaded.rows(FOUND) == set()) is fixed
    if fixed:
        assert loaded.rows(
            "select sum(order_amount) = (select sum(line_amount) from dwh.fact_order_line where not is_deleted) "
            "from dwh.fact_order"
        ) == {(True,)}
    if "dwh" in name and fixed:
        assert loaded.checksum() == before


def test_a_difference_is_found_in_whichever_bucket_its_key_falls(world: World) -> None:
    open_shop(world)
    create_warehouse(world)
    table = SOURCE_TABLES["ops.suppliers"]
    keys = sorted(key_in(bucket) for bucket in (0, 1, BUCKETS // 2, BUCKETS - 1))
    for key in keys:
        insert(world, "suppliers", at(1), supplier_id=key, name="Reef", country="UK")
    extract_date(world, DAY, [table.name])
    load_stages(world, DAY, [table.name])
    world.source("update ops.suppliers set name = 'Rift' where name = 'Reef'")
    with (
        postgres.session(world.operational_url, "operational") as source,
        postgres.transaction(world.warehouse_url, "warehouse") as warehouse,
    ):
        found = compare(source, warehouse, table)
    assert found.changed == [(key,) for key in keys]
    assert (found.missing, found.vanished) == ([], [])


def test_limits_and_formats_that_databases_set_make_no_difference(world: World) -> None:
    """A comparison waits in its transaction for the other server, and both servers hash what they write."""
    for role, url, setting in (
        ("etl_load", world.warehouse_url, "idle_in_transaction_session_timeout = '25ms'"),
        ("etl_extract", world.operational_url, "bytea_output = escape"),
    ):
        run(admin_url(world.home), f"alter role {role} in database {database_of(url)} set {setting}")
    open_shop(world)
    world.source("alter table ops.suppliers add logo bytea default '\\x00ff'")
    create_warehouse(world)
    table = SOURCE_TABLES["ops.suppliers"]
    extract_date(world, DAY, [table.name])
    load_stages(world, DAY, [table.name])
    with (
        postgres.session(world.operational_url, "operational") as source,
        postgres.transaction(world.warehouse_url, "warehouse") as warehouse,
    ):
        pid = postgres.value(warehouse, "select pg_backend_pid()")
        while run(admin_url(world.home), WAITED_LITTLE, (pid,)) == [(True,)]:
            pass
        found = compare(source, warehouse, table)
    assert (found.missing, found.changed, found.vanished) == ([], [], [])


def key_in(bucket: int) -> int:
    """A number whose row falls into a bucket."""
    return next(
        number
        for number in itertools.count(100)
        if int(hashlib.md5(f"({number})".encode()).hexdigest()[:8], 16) % BUCKETS == bucket
    )


def test_a_repair_lies_on_the_lake_so_that_a_rebuild_has_it(loaded: World) -> None:
    hidden_write(loaded)
    loaded.source("update ops.products set unit_price = 13")
    reconcile(loaded, "--repair")
    checksum = loaded.checksum()
    loaded.luigi("RebuildWarehouse", "--replace")
    assert loaded.checksum() == checksum
    assert loaded.rows("select order_id from dwh.fact_order where order_id = 7") == {(7,)}


def test_a_row_that_cannot_be_kept_is_no_difference(loaded: World) -> None:
    insert(loaded, "customers", at(3), customer_id=-1, first_name="No", last_name="One", registered_on=date(1))
    patient = loaded.where(OCEAN_MAX_REJECTED="1")
    patient.luigi("ClearDate", "--date", str(DAY))
    reconcile(patient, "--repair")  # it is found as missing, and rejected when it is extracted again
    assert loaded.rows("select reason from etl.rejected_row") == {("customer_id -1 is the unknown member's",)}
    reconcile(patient)


def reject_a_row_too_long(world: World) -> World:
    """Loads a customer who cannot be kept and whose text is cut; cut, it is no JSON any more."""
    world.source("alter table ops.customers alter column first_name type text, alter column last_name drop not null")
    row = {"customer_id": 7, "first_name": "\U0001f40b" * 20_000, "last_name": None, "registered_on": date(1)}
    insert(world, "customers", at(4), **row)
    patient = world.where(OCEAN_MAX_REJECTED="1")
    patient.load(date(4))
    return patient


def test_a_rejected_row_that_was_cut_is_known_by_its_key_and_stops_no_comparison(loaded: World) -> None:
    patient = reject_a_row_too_long(loaded)
    patient.luigi("ReconcileSource", "--date", str(date(4)))
    assert loaded.rows("select row_key from etl.rejected_row") == {("[7]",)}


def test_a_cut_row_that_an_earlier_version_rejected_gets_its_key_by_a_repair(loaded: World) -> None:
    patient = reject_a_row_too_long(loaded)
    loaded.warehouse("update etl.rejected_row set row_key = null")
    patient.luigi("ReconcileSource", "--date", str(date(4)), "--repair")
    assert loaded.warehouse("select row_key from etl.rejected_row") == [("[7]",)]
