"""With the star on the lake alone PostgreSQL holds no fact, and its mart shows what it shows with one."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from faults.disturbed import FAULTS
from support.feeds_world import settings_of
from support.loads import create_warehouse, extract_date, load_extracted
from support.shop import add_order, add_product, at, date, insert, open_shop, update
from support.world import World, Worlds

from lakehouse.lake_world import load_lake, take
from pipeline.catalog import FACTS
from pipeline.kernel.errors import ChecksFailed, ConfigError, SparkFailed
from pipeline.tasks.load_lake_star import LoadLakeStar

SHOWN = {
    **{
        view: f"select * from mart.{view}"
        for view in (
            *("kpi_monthly", "kpi_monthly_country", "kpi_quarterly", "kpi_quarterly_country"),
            *("sales_by_product", "sales_by_subtype", "sales_by_country", "risk_band", "review_volume"),
        )
    },
    "queue_depth": "select fact_table, waiting_rows from mart.queue_depth",
    "queue": "select fact_table, business_key, dimension, dimension_key from etl.reprocessing_queue "
    "where resolved_ts is null",
    "rejected": "select source, date, row_key from etl.rejected_row",
}
DONE = "select count(*) from etl.marker where target_table = 'lake.star'"
REVIEW = "insert into stage.movie_review values "
SCORE = "insert into stage.risk_score values "


def shown(world: World) -> dict[str, set[Any]]:
    """What people see, and what waits."""
    return {name: world.rows(query) for name, query in SHOWN.items()}


def feed(world: World, table: str, values: str) -> None:
    """Rows of a feed, as its load brings them to stage."""
    world.warehouse(values.format(batch="nextval('etl.batch')"))
    world.warehouse(
        "insert into etl.stage_batch (table_name, first_batch, last_batch, loaded_to) "
        f"select %s, max(etl_batch), max(etl_batch), now() from stage.{table} "
        "on conflict (table_name) do update set last_batch = excluded.last_batch",
        (table,),
    )


@pytest.fixture
def alone(world: World, worlds: Worlds) -> World:
    """A world with the extracts of another one, and the star on the lake alone."""
    found = replace(worlds.new(world), lake_url=world.lake_url)
    return found.where(OCEAN_STAR="lake")


def test_the_mart_shows_the_same_and_postgresql_holds_no_fact(
    world: World, alone: World, enter: Callable[[World], World], warmed: Callable[[World], World]
) -> None:
    both = world, alone

    def load(day: int) -> None:
        enter(world)
        extract_date(world, date(day))
        with settings_of(world.where(OCEAN_MAX_REJECTED="1")):
            load_extracted(world, date(day))
        warmed(alone.where(OCEAN_MAX_REJECTED="1"))
        take(alone, date(day))
        report = load_lake(date=date(day))
        assert [result.check.name for result in report.results if result.failures] == []
        assert shown(alone) == shown(world)

    open_shop(world)
    world.source("alter table ops.products alter column unit_price type numeric")
    for each in both:
        create_warehouse(each)
    more = {"product_subtype_id": 1, "supplier_id": 1}
    insert(world, "products", at(1), product_id=5, sku="5", name="Record 5", unit_price="NaN", **more)
    add_product(world, 9, 5, at(3))
    insert(world, "customers", at(3), customer_id=7, first_name="Late", last_name="Comer", registered_on=date(1))
    insert(world, "addresses", at(1), address_id=2, street="2 Quay", city="Callao", country="Peru")
    add_order(world, 1, at(1), 1)
    add_order(world, 2, at(1, 13), 1, 9)
    for each in both:
        feed(each, "movie_review", f"{REVIEW} ('a', 1, '{date(1)}', true, 't', 0.75, false, {{batch}})")
    load(1)
    assert world.rows("select sum(waiting_rows) from mart.queue_depth") == {(1,)}
    update(world, "orders", {"order_id": 1}, at(2, 13), delivered_ts=at(2, 13), order_status_id=2)
    update(world, "products", {"product_id": 1}, at(2), unit_price=11, name="Renamed")
    # In another month, of another one and of a customer who comes late.
    add_order(world, 3, at(2, 14), 1, customer_id=7, address_id=2)
    for each in both:
        feed(each, "movie_review", f"{REVIEW} ('b', 1, '{date(2)}', false, 'k', null, false, {{batch}})")
        feed(each, "risk_score", f"{SCORE} (1, 40, '{date(2)}', now(), {{batch}})")
    load(2)
    update(world, "addresses", {"address_id": 1}, at(40), country="Japan")
    update(world, "orders", {"order_id": 3}, at(40), ordered_ts=at(35))
    load(40)
    assert world.rows("select sum(waiting_rows) from mart.queue_depth") == {(0,)}
    for name in (*(f"dwh.{fact}" for fact in FACTS), "mart.order_before", "mart.line_before"):
        assert alone.warehouse(f"select count(*) from {name}") == [(0,)]
    assert alone.warehouse("select to_regclass('stage.orders')") == [(None,)]
    # The same date again starts no load that writes.
    before = alone.rows("select * from mart.data_version")
    assert set(load_lake(date=date(40)).rows.values()) == {0}
    assert alone.rows("select * from mart.data_version") == before


@pytest.mark.skipif(FAULTS <= 10, reason="make nightly runs it")
def test_an_error_that_a_check_finds_fails_the_load_until_it_is_gone(
    world: World, alone: World, enter: Callable[[World], World], warmed: Callable[[World], World]
) -> None:
    open_shop(world)
    create_warehouse(alone)
    add_order(world, 1, at(1), 1)
    enter(world)
    extract_date(world, date(1))
    warmed(alone)
    take(alone, date(1))
    wrong = "update oceanrecords_dwh.fact_order set order_amount = order_amount + 1 where order_id = 1"
    load_lake(compared={"wrong": wrong}, date=date(1))
    found = alone.rows("select check_name, whole, failures from etl.check_result")
    assert ("amounts_of_orders", True, 0) in found
    assert len(found) > 12
    add_order(world, 2, at(2), 1)
    enter(world)
    extract_date(world, date(2))
    warmed(alone)
    take(alone, date(2))
    for _ in range(2):  # nothing came meanwhile, and it is looked for all the same
        with pytest.raises(ChecksFailed, match="amounts_of_orders found 1 orders whose amount"):
            LoadLakeStar(date(2)).run()
        assert alone.warehouse(DONE) == [(0,)]
    load_lake(compared={"right": wrong.replace("+", "-")}, date=date(2))
    LoadLakeStar(date(2)).run()
    assert alone.warehouse(DONE) == [(1,)]
    # What was rejected is more than may be: nothing is loaded.
    world.source("alter table ops.products alter column unit_price type numeric")
    update(world, "products", {"product_id": 1}, at(3), unit_price="NaN")
    enter(world)
    extract_date(world, date(3))
    warmed(alone)
    take(alone, date(3))
    with pytest.raises(SparkFailed, match="1 of its 1 rows cannot be kept; fix them in the source"):
        load_lake(date=date(3))


def test_what_postgresql_has_loaded_is_not_mixed_with_what_the_lake_has(
    world: World, alone: World, enter: Callable[[World], World], warmed: Callable[[World], World]
) -> None:
    open_shop(world)
    create_warehouse(world)
    enter(world)
    extract_date(world, date(1))
    load_extracted(world, date(1))
    warmed(replace(alone, warehouse_url=world.warehouse_url))
    with pytest.raises(ConfigError, match="what was loaded before is on PostgreSQL; set star back, or run Rebuild"):
        take(world, date(1))
