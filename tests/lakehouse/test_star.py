"""The star on the lake holds the same rows as that in PostgreSQL, whatever happened to the source."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from faults.disturbed import FAULTS
from hypothesis import HealthCheck, Phase, example, given, settings
from support.feeds_world import settings_of
from support.histories import (
    DAYS,
    check,
    extract_history,
    histories,
    load_extracts,
    loads,
    quiet_shop,
)
from support.loads import (
    create_warehouse,
    extract_date,
    load_day,
    load_dimensions,
    load_facts,
    load_stages,
)
from support.shop import add_order, add_product, at, date, insert, open_shop, update
from support.world import World, Worlds

from lakehouse.lake_world import differences, load_lake
from pipeline.catalog import SOURCE_TABLES
from pipeline.kernel import config, postgres
from pipeline.kernel.errors import ConfigError, SparkFailed
from pipeline.stage import repairs
from pipeline.trust import reconcile, repairing

WAITING = "select business_key from oceanrecords_etl.reprocessing_queue where resolved_ts is null"
COMMITS = "select 'oceanrecords_dwh.{0}', count(*) from oceanrecords_dwh.{0}.snapshots"


def test_days_of_a_shop(both: World) -> None:
    open_shop(both)
    create_warehouse(both)
    # The source has both, and says that they came on the third day.
    add_product(both, 9, 5, at(3))
    insert(both, "customers", at(3), customer_id=7, first_name="Late", last_name="Comer", registered_on=date(1))
    add_order(both, 1, at(1), 1)
    add_order(both, 2, at(1, 13), 1, 9)
    load_day(both, date(1))
    assert load_lake().rows["dwh.fact_order_line"] == 3
    update(both, "products", {"product_id": 1}, at(2), unit_price=11)
    update(both, "orders", {"order_id": 1}, at(2, 13), delivered_ts=at(2, 13), order_status_id=2)
    add_order(both, 3, at(2, 14), 1, customer_id=7)
    load_day(both, date(2))
    different, report = differences(waiting=WAITING)
    assert different == []
    assert sorted(report.compared["waiting"]) == [["2/2"], ["3"]]
    update(both, "addresses", {"address_id": 1}, at(3), country="Japan")
    load_day(both, date(3))
    different, report = differences(waiting=WAITING, commits=COMMITS.format("fact_order"))
    assert different == []
    assert report.compared["waiting"] == []
    # The same date again: nothing is written.
    again = load_lake(compared={"commits": COMMITS.format("fact_order")})
    assert set(again.rows.values()) == {0}
    assert again.compared["commits"] == report.compared["commits"]


@pytest.fixture(scope="module")
def quiet(worlds: Worlds, shop_template: World) -> World:
    return quiet_shop(worlds, shop_template)


@settings(
    max_examples=max(1, FAULTS // 20),
    phases=(Phase.explicit,) if FAULTS <= 10 else (Phase.explicit, Phase.generate),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(history=histories, order=loads)
# The extract with the new price comes last; a later one has shown it, on an order's day after it.
@example(
    history=[
        [("order", 12, [1], 0)],
        [("reprice", 12, 1, 11)],
        [("order", 12, [1, 2], 0), ("deliver", 13, 0, 40)],
        [("rename", 12, 1)],
        [("quantity", 12, 0, 3), ("status", 13, 1, 2)],
    ],
    order=[(1, ""), (3, "dim_product"), (4, ""), (2, "")],
)
def test_any_history_ends_in_the_same_star_and_in_what_the_oracle_says(
    copied: Callable[[World], World],
    quiet: World,
    warmed: Callable[[World], World],
    history: list[list[tuple[Any, ...]]],
    order: list[tuple[int, str]],
) -> None:
    shop = warmed(copied(quiet))
    oracle = extract_history(shop, history)
    for number, (day, broken) in enumerate([*order, *((day, "") for day in range(1, DAYS + 1))]):
        load_extracts(shop, day, broken)
        if number == len(order) // 2:  # what comes after it in time and before it in the order of days is late there
            load_lake()
    check(shop, oracle)
    assert differences()[0] == []


def test_what_cannot_be_kept_is_rejected_and_a_damaged_file_is_refused(both: World) -> None:
    open_shop(both)
    create_warehouse(both)
    both.source("alter table ops.products alter column unit_price type numeric")
    insert(
        both, "products", at(1), product_id=5, sku="SKU-5", name="Record 5", product_subtype_id=1, supplier_id=1,
        unit_price="NaN",
    )  # fmt: skip
    with settings_of(both.where(OCEAN_MAX_REJECTED="1")):
        load_day(both, date(1))
    data = both.home / "s3/ocean-lake" / both.lake.prefix / f"extract/ops.addresses/date={date(1)}/data.csv.zst"
    good = data.read_bytes()
    data.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    with pytest.raises(SparkFailed, match="is not the file that its metadata describes"):
        load_lake()
    data.write_bytes(good)
    different, report = differences(rejected="select source, reason from oceanrecords_etl.rejected_row")
    assert different == []
    assert report.compared["rejected"] == [
        ["ops.products", "unit_price is not an exact number of at most 18 digits and 9 decimals"]
    ]


@pytest.mark.skipif(FAULTS <= 10, reason="make nightly runs it")
def test_two_loads_at_once_write_once(both: World) -> None:
    open_shop(both)
    create_warehouse(both)
    add_order(both, 1, at(1), 1)
    load_day(both, date(1))
    reports = []
    threads = [threading.Thread(target=lambda: reports.append(load_lake())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(report.rows["dwh.fact_order"] for report in reports) == [0, 1]
    # Small files are written together, old commits go, and nothing is counted again.
    maintained = load_lake(work="maintain")
    assert maintained.rows["mart"] == 0
    different, report = differences()
    assert different == []
    assert report.rows["mart"] == 0


@pytest.mark.skipif(FAULTS <= 10, reason="make nightly runs it")
def test_repairs_and_an_extract_that_comes_late(both: World) -> None:
    open_shop(both)
    create_warehouse(both)
    load_lake(compared=HALF_MADE)
    add_order(both, 1, at(1), 1)
    load_day(both, date(1))
    load_lake()
    # Prices and rows that watermarks do not show: a repair brings them, and marks what is gone.
    both.source("update ops.products set unit_price = 12")
    add_product(both, 2, 5, at(1, 1))
    both.source("delete from ops.order_lines")
    repair(both, 1)
    load_dimensions(both)
    load_facts(both)
    load_lake()
    extract_date(both, date(2))
    update(both, "products", {"product_id": 1}, at(3), unit_price=13)
    extract_date(both, date(3))
    load_stages(both, date(3))
    load_dimensions(both)
    load_facts(both)
    load_lake()
    load_stages(both, date(2))  # comes late, before the third day: products are made again beside what is there
    load_dimensions(both)
    load_facts(both)
    versions = "select count(*) from oceanrecords_stage.products_version"
    different, report = differences(versions=versions)
    assert different == []
    assert report.compared["versions"] == [list(both.warehouse("select count(*) from stage.products_version")[0])]


# What a kill leaves between the making of a dimension and its unknown member.
SUPPLIERS = "supplier_key bigint, supplier_id bigint, name string, contact_email string, country string"
HALF_MADE = {
    "dropped": "drop table oceanrecords_dwh.dim_supplier",
    "made": f"create table oceanrecords_dwh.dim_supplier ({SUPPLIERS}, is_deleted boolean) using iceberg",
}


def repair(world: World, day: int) -> None:
    """Compares stage with the source, and loads the repairs of what differs."""
    for table in SOURCE_TABLES.values():
        with (
            postgres.session(world.operational_url, "operational") as source,
            postgres.transaction(world.warehouse_url, "warehouse") as warehouse,
        ):
            found = reconcile.compare(source, warehouse, table)
            bound = reconcile.loaded_to(warehouse, table)
            assert bound
            if found.to_extract or found.vanished:
                made = repairing.extract_again(source, world.lake, config.settings(), date(day), found, bound)
                repairs.load(warehouse, world.lake, table, made)


def test_the_star_of_another_warehouse_and_one_elsewhere_are_left_alone(both: World) -> None:
    create_warehouse(both)
    both.lake.write("star/warehouse", b"somebody else")
    with pytest.raises(ConfigError, match="is another warehouse's"):
        load_lake()
    both.lake.delete(["star/warehouse"])
    both.warehouse("insert into etl.lake_star (place) values ('jdbc elsewhere') on conflict do nothing")
    both.warehouse("update etl.lake_star set place = 'jdbc elsewhere'")
    with pytest.raises(ConfigError, match="it lies at jdbc elsewhere, and the settings name"):
        load_lake()
