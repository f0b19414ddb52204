"""Rows that can no longer be seen are not deleted rows: only a few are marked before somebody says so."""

import re

import pytest
from support import shop
from support.feeds_world import run, settings_of
from support.loads import create_warehouse, load_day
from support.world import ROOT, World, Worlds

from pipeline.kernel.errors import TooManyDeleted
from pipeline.tasks.reconcile_source import ReconcileSource

OWN_DATABASE = ROOT / "docs/own-database.md"
CUSTOMERS = 1000
LIMITS = {"OCEAN_MAX_DELETED": "0.02", "OCEAN_MAX_DELETED_ROWS": "5"}
MARKED = "select count(*) from stage.customers where etl_deleted_ts is not null"


@pytest.fixture(scope="module")
def loaded(worlds: Worlds) -> World:
    """A loaded shop of many customers and two suppliers; of its customers 20 may be marked, of its suppliers 5."""
    world = worlds.new().where(**LIMITS)
    shop.open_shop(world)
    world.source(
        "insert into ops.customers (customer_id, first_name, last_name, registered_on, created_ts, updated_ts) "
        "select number, 'Ann', 'Shell', %s, %s, %s from generate_series(2, %s) as number",
        (shop.date(1), shop.OPENING, shop.OPENING, CUSTOMERS),
    )
    shop.add_order(world, 1, shop.at(1), 1)
    with settings_of(world):
        create_warehouse(world)
        load_day(world, shop.date(1))
    return world


@pytest.fixture
def copied(worlds: Worlds, loaded: World) -> World:
    """The same, source and warehouse, to be changed."""
    return worlds.copy_all(loaded)


def reconcile(world: World, day: int = 1, *, allow_deletes: bool = False) -> None:
    run(world, ReconcileSource(shop.date(day), repair=True, allow_deletes=allow_deletes))


def delete_customers(world: World, first: int, last: int) -> None:
    world.source("delete from ops.customers where customer_id between %s and %s", (first, last))


def test_as_many_as_the_share_are_marked_and_one_more_in_the_same_round_marks_none(copied: World) -> None:
    delete_customers(copied, 2, 16)
    reconcile(copied)
    delete_customers(copied, 17, 21)
    reconcile(copied, 2)
    assert copied.warehouse(MARKED) == [(20,)]
    delete_customers(copied, 22, 22)
    copied.source("update ops.suppliers set name = 'Reef'")
    with pytest.raises(TooManyDeleted, match=r"because 1 of 980 rows of ops\.customers after 20 in the 7 days before "):
        reconcile(copied, 3)
    assert copied.warehouse(MARKED) == [(20,)]
    assert copied.warehouse("select count(*) from stage.suppliers where name = 'Reef'") == [(0,)]
    assert len(copied.lake.dates("repair/ops.customers")) == 2


def test_what_was_marked_in_an_earlier_round_or_with_leave_does_not_count(copied: World) -> None:
    delete_customers(copied, 2, 41)
    reconcile(copied, allow_deletes=True)
    delete_customers(copied, 42, 60)
    reconcile(copied)
    delete_customers(copied, 61, 78)
    with pytest.raises(TooManyDeleted):  # by the clock it is the same round, whatever the dates
        reconcile(copied, 8)
    copied.warehouse("update etl.deletion set marked_ts = marked_ts - interval '6 days 1 hour'")
    with pytest.raises(TooManyDeleted):  # and by the dates
        reconcile(copied, 7)
    reconcile(copied, 8)
    assert copied.warehouse(MARKED) == [(77,)]


def test_a_few_rows_of_a_small_table_are_marked_but_never_the_last_one(copied: World) -> None:
    copied.source("delete from ops.suppliers where supplier_id = 2")
    reconcile(copied)
    assert copied.warehouse("select supplier_id from stage.suppliers where etl_deleted_ts is not null") == [(2,)]
    copied.source("delete from ops.order_lines")
    with pytest.raises(TooManyDeleted, match=r"because all 1 rows of ops\.order_lines vanished from the source"):
        reconcile(copied)


def test_a_table_that_was_emptied_is_never_marked_by_itself_whatever_the_limits(copied: World) -> None:
    copied.source("truncate ops.customers cascade")
    lenient = copied.where(OCEAN_MAX_DELETED="1", OCEAN_MAX_DELETED_ROWS="1000000")
    with pytest.raises(TooManyDeleted, match=r"all 1,000 rows of ops\.customers vanished from the source"):
        reconcile(lenient)
    assert copied.warehouse(MARKED) == [(0,)]
    reconcile(copied, allow_deletes=True)
    assert copied.warehouse(MARKED) == [(CUSTOMERS,)]


def test_rows_that_a_column_marks_as_deleted_vanish_by_the_view_of_the_guide_and_by_nothing_else(copied: World) -> None:
    marked = "select supplier_id from stage.suppliers where etl_deleted_ts is not null"
    copied.source("alter table ops.suppliers add deleted_at timestamptz")
    copied.source("update ops.suppliers set deleted_at = now(), updated_ts = %s where supplier_id = 2", (shop.at(2),))
    with settings_of(copied):
        load_day(copied, shop.date(2))
    assert copied.warehouse("select supplier_id from stage.suppliers where deleted_at is not null") == [(2,)]
    reconcile(copied, 2)
    assert copied.warehouse(marked) == []
    [statements] = re.findall(r"^```psql\n(.*?)^```", OWN_DATABASE.read_text(), re.MULTILINE | re.DOTALL)
    copied.source(statements)
    reconcile(copied, 2)
    assert copied.warehouse(marked) == [(2,)]
    assert copied.warehouse("select supplier_id from dwh.dim_supplier where is_deleted") == [(2,)]
    copied.source(
        "update ops.supplier_rows set deleted_at = null, updated_ts = %s where supplier_id = 2", (shop.at(3),)
    )
    with settings_of(copied):
        load_day(copied, shop.date(3))
    assert copied.warehouse(marked) == []
