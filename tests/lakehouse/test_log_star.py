"""The star on the lake from windows of the source's log: the same as PostgreSQL's, change by change."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from faults.disturbed import FAULTS
from support import log_steps
from support.loads import load_dimensions, load_facts
from support.shop import add_order, add_product, at, date
from support.world import World

from lakehouse.lake_world import differences, load_lake

WAITING = "select business_key from oceanrecords_etl.reprocessing_queue where resolved_ts is null"


def load(world: World, day: int) -> None:
    """Loads stage from the log up to the evening of a day, and dwh from it."""
    log_steps.load(day)
    load_dimensions(world)
    load_facts(world)


def test_changes_of_the_log_end_in_the_same_star(
    log_shop: World, warmed: Callable[[World], World], tmp_path: Path
) -> None:
    both = warmed(log_shop.where(OCEAN_LAKEHOUSE_WAREHOUSE=f"file://{tmp_path}/iceberg"))
    long = random.Random(1)
    first, second = ("".join(chr(long.randrange(0x4E00, 0x9FFF)) for _ in range(900)) for _ in range(2))
    both.source("update ops.products set name = %s", (first,))
    add_product(both, 3, 7)
    add_order(both, 1, at(1), 1, 3)
    add_order(both, 2, at(1), 1)
    load(both, 1)
    load_lake()
    both.source("update ops.products set unit_price = 8 where product_id = 1")  # the log does not repeat the name
    both.source("update ops.products set unit_price = 9, updated_ts = %s where product_id = 1", (at(2),))
    add_product(both, 4, 5)
    both.source("update ops.products set name = %s where product_id = 4", (second,))
    both.source("update ops.products set product_id = 5, sku = 'moved' where product_id = 4")  # nor does it here
    both.source("update ops.order_lines set quantity = 5 where order_id = 1 and line_number = 1")
    both.source("delete from ops.order_lines where order_id = 2")
    both.source("delete from ops.orders where order_id = 2")
    both.source("insert into ops.customers_addresses select 1, 1, %s, %s on conflict do nothing", (at(2), at(2)))
    load(both, 2)
    assert differences()[0] == []
    both.source("truncate ops.customers_addresses")
    both.source("update ops.products set unit_price = 3 where product_id = 5")
    both.source("delete from ops.order_lines where order_id = 1 and line_number = 2")
    both.source("delete from ops.products where product_id = 3")
    load(both, 3)
    gone = "select count(*) from oceanrecords_stage.customers_addresses where etl_deleted_ts is null"
    named = "select name from oceanrecords_stage.products where product_id = 5"
    different, report = differences(waiting=WAITING, gone=gone, named=named)
    assert different == []
    assert report.compared["gone"] == [[0]]
    assert report.compared["named"] == [[second]]
    assert report.compared["waiting"] == []


@pytest.mark.skipif(FAULTS <= 10, reason="make nightly runs it")
def test_the_star_on_the_lake_alone_follows_the_log(
    log_shop: World, warmed: Callable[[World], World], tmp_path: Path
) -> None:
    where = log_shop.where(OCEAN_STAR="lake", OCEAN_LAKEHOUSE_WAREHOUSE=f"file://{tmp_path}/iceberg")
    alone = warmed(where.where(OCEAN_MAX_REJECTED="1"))
    alone.source("alter table ops.products alter column unit_price type numeric")
    add_order(alone, 1, at(1), 1)
    log_steps.load(1)
    alone.source("update ops.products set unit_price = 8 where product_id = 1")
    alone.source("alter table ops.suppliers add column rating integer")  # a comparison is owed
    alone.source("update ops.suppliers set name = 'Reef'")
    add_product(alone, 3, 7)
    alone.source("update ops.products set unit_price = 'NaN' where product_id = 3")
    add_order(alone, 2, at(2), 1)
    log_steps.load(2)
    names = "select name from oceanrecords_dwh.dim_supplier where supplier_id = 1"
    prices = "select cast(unit_price as double) from oceanrecords_dwh.dim_product where product_id = 1"
    report = load_lake(compared={"names": names, "prices": prices})
    assert report.compared["names"] == [["Reef"]]
    assert sorted(report.compared["prices"]) == [[8], [10]]
    assert alone.rows("select source, date, row_key from etl.rejected_row") == {("ops.products", date(2), "[3]")}
    assert alone.rows("select name from etl.whole_pass where is_owed") == {("ops.products",)}
    assert alone.rows("select orders from mart.kpi_monthly") == {(2,)}
    assert alone.rows("select table_name, missing + changed + vanished from etl.reconciliation") >= {
        ("ops.suppliers", 0)
    }
