"""The star schema: versions, unknown members, the queue, and what a change in the source does to each."""

import datetime as dt
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.databases import database_of
from support.loads import (
    create_warehouse,
    extract_date,
    load_day,
    load_dimensions,
    load_extracted,
    load_facts,
    load_stages,
    locks_waited_for,
)
from support.shop import add_order, add_product, at, date, insert, open_shop, update
from support.world import World

from pipeline.catalog import DIMENSIONS, FACTS
from pipeline.kernel import locks, postgres
from pipeline.star import dwh
from pipeline.star import queue as waiting
from pipeline.tasks.load_table import LoadDimension, LoadFact

VERSIONS = """
select product_id, unit_price::float, to_char(valid_from, 'YYYY-MM-DD HH24'), to_char(valid_to, 'YYYY-MM-DD HH24'),
    is_current
from dwh.dim_product where product_id > 0 order by product_id, valid_from
"""
BEGINNING, END = "1900-01-01 00", "9999-12-31 00"
LINE_PRICES = """
select order_id, dim_product.unit_price::float from dwh.fact_order_line
left join dwh.dim_product using (product_key) order by order_id
"""
FOR_A_LOAD = "ShareRowExclusiveLock"


def load(world: World, day: int, *without: str) -> None:
    load_day(world, date(day), *without)


def reprice(world: World, day: int, price: float, hour: float = 12) -> None:
    update(world, "products", {"product_id": 1}, at(day, hour), unit_price=price)


def queue(world: World) -> set[tuple[object, ...]]:
    return world.rows(
        "select fact_table, business_key, dimension from etl.reprocessing_queue where resolved_ts is null"
    )


def test_only_a_price_change_opens_a_version(shop: World) -> None:
    load(shop, 1)
    update(shop, "products", {"product_id": 1}, at(2), name="New name")
    load(shop, 2)
    reprice(shop, 3, 12)
    load(shop, 3)
    assert shop.warehouse(VERSIONS) == [
        (1, 10.0, BEGINNING, "2026-01-03 12", False),
        (1, 12.0, "2026-01-03 12", END, True),
    ]
    assert shop.rows("select name from dwh.dim_product where product_id = 1") == {("New name",)}


def test_a_line_has_the_version_that_was_valid_when_it_was_ordered(shop: World) -> None:
    load(shop, 1)
    add_order(shop, 1, at(2, 11), 1)
    add_order(shop, 2, at(2, 12), 1)
    add_order(shop, 3, at(2, 13), 1)
    reprice(shop, 2, 12)
    load(shop, 2)
    assert shop.warehouse(LINE_PRICES) == [(1, 10.0), (2, 12.0), (3, 12.0)]


def test_a_price_that_is_seen_late_is_spliced_in_and_its_lines_are_keyed_again(shop: World) -> None:
    load(shop, 1)
    keys = shop.rows("select product_key, unit_price::float from dwh.dim_product where product_id = 1")
    for day in (2, 3, 4, 5):
        add_order(shop, day, at(day, 13), 1)
    reprice(shop, 3, 11)
    extract_date(shop, date(3))  # seen, but its load comes last
    reprice(shop, 5, 12)
    load(shop, 5)
    # The extract of day 3 was skipped, so its orders are not there yet.
    assert shop.warehouse(LINE_PRICES) == [(4, 10.0), (5, 12.0)]
    load_extracted(shop, date(3))
    assert shop.warehouse(VERSIONS) == [
        (1, 10.0, BEGINNING, "2026-01-03 12", False),
        (1, 11.0, "2026-01-03 12", "2026-01-05 12", False),
        (1, 12.0, "2026-01-05 12", END, True),
    ]
    assert shop.warehouse(LINE_PRICES) == [(2, 10.0), (3, 11.0), (4, 11.0), (5, 12.0)]
    assert keys <= shop.rows("select product_key, unit_price::float from dwh.dim_product where product_id = 1")
    assert queue(shop) == set()


def test_a_late_price_from_before_the_first_one_becomes_the_first_version(shop: World) -> None:
    for day in (1, 3):
        add_order(shop, day, at(day, 13), 1)
    extract_date(shop, date(1))
    reprice(shop, 3, 12)
    extract_date(shop, date(3))
    load_stages(shop, date(3))
    load_stages(shop, date(1), ["ops.orders", "ops.order_lines", "ops.product_subtypes", "ops.product_types"])
    load_dimensions(shop)
    load_facts(shop)
    assert shop.warehouse(LINE_PRICES) == [(1, 12.0), (3, 12.0)]
    load_extracted(shop, date(1))
    assert shop.warehouse(VERSIONS) == [
        (1, 10.0, BEGINNING, "2026-01-03 12", False),
        (1, 12.0, "2026-01-03 12", END, True),
    ]
    assert shop.warehouse(LINE_PRICES) == [(1, 10.0), (3, 12.0)]


def test_a_version_that_is_seen_to_begin_earlier_takes_the_lines_since_then(shop: World) -> None:
    load(shop, 1)
    reprice(shop, 3, 12)
    extract_date(shop, date(3))  # seen, but its load comes last
    add_order(shop, 4, at(4), 1)
    update(shop, "products", {"product_id": 1}, at(5), name="New name")
    load(shop, 5)
    assert shop.warehouse(LINE_PRICES) == [(4, 10.0)]
    load_extracted(shop, date(3))
    assert shop.warehouse(VERSIONS) == [
        (1, 10.0, BEGINNING, "2026-01-03 12", False),
        (1, 12.0, "2026-01-03 12", END, True),
    ]
    assert shop.warehouse(LINE_PRICES) == [(4, 12.0)]


def test_a_new_version_waits_for_a_load_of_lines_that_still_runs(shop: World) -> None:
    add_order(shop, 1, at(1), 1)
    load(shop, 1)
    add_order(shop, 2, at(2, 13), 1)
    reprice(shop, 2, 12)
    extract_date(shop, date(2))
    load_stages(shop, date(2))
    load_dimensions(shop, "dim_product")

    def load_versions() -> None:
        with postgres.transaction(shop.warehouse_url, "warehouse") as cursor:
            dwh.load_dimension(cursor, DIMENSIONS["dim_product"])

    with ThreadPoolExecutor(1) as pool, postgres.transaction(shop.warehouse_url, "warehouse") as cursor:
        locks.lock_tables(cursor, "dwh.fact_order_line")
        dwh.load_fact(cursor, FACTS["fact_order_line"])
        versions = pool.submit(load_versions)
        assert locks_waited_for(shop, versions) == [("dwh.fact_order_line", FOR_A_LOAD)]
    versions.result()
    assert shop.warehouse(LINE_PRICES) == [(1, 10.0), (2, 10.0)]
    load_facts(shop)
    assert shop.warehouse(LINE_PRICES) == [(1, 10.0), (2, 12.0)]


@pytest.mark.parametrize("table", ["fact_order", "dim_customer"])
def test_of_two_dates_that_load_a_table_at_once_the_second_one_waits_and_loads_the_rest(
    shop: World, table: str
) -> None:
    add_order(shop, 1, at(1), 1)
    load(shop, 1)
    for day in (2, 3):
        insert(shop, "customers", at(day), customer_id=day, first_name="A", last_name="B", registered_on=date(day))
        add_order(shop, day, at(day), 1, customer_id=day)
        extract_date(shop, date(day))
    load_stages(shop, date(2))
    with ThreadPoolExecutor(1) as pool, postgres.transaction(shop.warehouse_url, "warehouse") as cursor:
        locks.lock_tables(cursor, f"dwh.{table}")
        if table in FACTS:
            dwh.load_fact(cursor, FACTS[table])
            second: LoadFact | LoadDimension = LoadFact(date(3), table=table)
        else:
            dwh.load_dimension(cursor, DIMENSIONS[table])
            second = LoadDimension(date(3), table=table)
        load_stages(shop, date(3))
        waiting = pool.submit(second.run)
        assert locks_waited_for(shop, waiting) == [(f"dwh.{table}", FOR_A_LOAD)]
    waiting.result()
    assert second.error is None
    key = "order_id" if table in FACTS else "customer_id"
    assert shop.rows(f"select {key} from dwh.{table} where {key} > 0") == {(1,), (2,), (3,)}


def test_a_dimension_that_ends_after_the_fact_heals_it_whenever_it_began(shop: World) -> None:
    load(shop, 1)
    insert(shop, "customers", at(2), customer_id=2, first_name="A", last_name="B", registered_on=date(2))
    add_order(shop, 1, at(2), 1, customer_id=2)
    load(shop, 2, "dim_customer")
    with postgres.transaction(shop.warehouse_url, "warehouse") as cursor:
        dwh.load_dimension(cursor, DIMENSIONS["dim_customer"])
        with postgres.transaction(shop.warehouse_url, "warehouse") as other:
            assert not waiting.can_heal(other, FACTS["fact_order"])
            dwh.load_fact(other, FACTS["fact_order"])
    with postgres.session(shop.warehouse_url, "warehouse") as cursor:
        assert waiting.can_heal(cursor, FACTS["fact_order"])
    load_facts(shop)
    assert queue(shop) == set()


def test_a_price_that_comes_back_is_a_version_of_its_own(shop: World) -> None:
    load(shop, 1)
    for day, price in ((2, 11), (3, 10)):
        reprice(shop, day, price)
        add_order(shop, day, at(day, 13), 1)
        load(shop, day)
    assert [version[1] for version in shop.warehouse(VERSIONS)] == [10.0, 11.0, 10.0]
    assert shop.warehouse("select count(distinct product_key) from dwh.fact_order_line") == [(2,)]


def test_a_dimension_that_fails_leaves_unknown_members_which_the_next_load_heals(shop: World) -> None:
    add_order(shop, 1, at(1), 1)
    load(shop, 1, "dim_customer", "dim_product", "dim_date", "dim_supplier")
    assert shop.warehouse("select customer_key, ordered_date_key, address_key > 0 from dwh.fact_order") == [
        (-1, -1, True)
    ]
    assert shop.warehouse("select product_key, supplier_key from dwh.fact_order_line") == [(-1, -1)]
    assert queue(shop) == {
        ("fact_order", "1", "dim_customer"),
        ("fact_order", "1", "dim_date"),
        ("fact_order_line", "1/1", "dim_product"),
        ("fact_order_line", "1/1", "dim_date"),
    }
    load(shop, 2, "dim_customer", "dim_product")
    assert shop.rows("select dimension, attempts from etl.reprocessing_queue where resolved_ts is null") == {
        ("dim_customer", 2),
        ("dim_product", 2),
    }
    load(shop, 3)
    assert queue(shop) == set()
    assert shop.warehouse(
        "select customer_id, ordered_date_key from dwh.fact_order join dwh.dim_customer using (customer_key)"
    ) == [(1, 20260101)]
    assert shop.warehouse(
        "select product_id, supplier_id from dwh.fact_order_line join dwh.dim_product using (product_key)"
    ) == [(1, 1)]
    assert shop.warehouse("select min(supplier_key) > 0 from dwh.fact_order_line") == [(True,)]


def test_a_supplier_that_comes_late_is_waited_for(shop: World) -> None:
    add_order(shop, 1, at(1), 1)
    load(shop, 1, "dim_supplier")
    assert queue(shop) == {("fact_order_line", "1/1", "dim_supplier")}
    load(shop, 2)
    assert queue(shop) == set()
    assert shop.warehouse("select count(*) from dwh.fact_order_line where supplier_key = -1") == [(0,)]


def test_a_line_whose_order_comes_a_day_later_waits_for_it(shop: World) -> None:
    load(shop, 1)
    add_order(shop, 1, at(2), 1)
    update(shop, "orders", {"order_id": 1}, at(3), order_status_id=1)
    load(shop, 2)
    assert shop.warehouse("select product_key, ordered_date_key, line_amount::float from dwh.fact_order_line") == [
        (-1, -1, 20.0)
    ]
    assert queue(shop) == {("fact_order_line", "1/1", "fact_order")}
    load(shop, 3)
    assert queue(shop) == set()
    assert shop.warehouse("select product_key > 0, ordered_date_key from dwh.fact_order_line") == [(True, 20260102)]


def test_a_product_that_moves_to_another_supplier_takes_its_lines_along(shop: World) -> None:
    add_order(shop, 1, at(1), 1)
    load(shop, 1)
    update(shop, "products", {"product_id": 1}, at(2), supplier_id=2)
    load(shop, 2)
    assert shop.warehouse("select supplier_id from dwh.fact_order_line join dwh.dim_supplier using (supplier_key)") == [
        (2,)
    ]
    assert queue(shop) == set()


def test_an_order_is_updated_in_place_and_the_months_follow(shop: World) -> None:
    add_order(shop, 1, at(1), 1, 1)
    add_order(shop, 2, at(1), 1)
    load(shop, 1)
    update(shop, "orders", {"order_id": 1}, at(2), order_status_id=2)
    update(shop, "orders", {"order_id": 2}, at(3), delivered_ts=at(3))
    update(shop, "order_lines", {"order_id": 2}, at(3), quantity=5)
    load(shop, 3)
    assert shop.rows("select order_id, line_count, order_amount::float, delivered_date_key from dwh.fact_order") == {
        (1, 2, 40.0, -1),
        (2, 1, 50.0, 20260103),
    }
    [kpi] = shop.warehouse(
        "select month, sales::float, orders, average_order_value::float, lost_order_rate::float, "
        "round(lost_order_deviation, 6)::float, average_fulfilment_days::float, unique_customers from mart.kpi_monthly"
    )
    assert kpi == (date(1), 50.0, 2, 50.0, 0.5, 0.45, 2.0, 1)


def test_a_status_that_becomes_lost_changes_the_months_before(shop: World) -> None:
    add_order(shop, 1, at(1), 1)
    load(shop, 1)
    update(shop, "order_statuses", {"order_status_id": 1}, at(2), is_lost=True)
    load(shop, 2)
    assert shop.warehouse("select sales, average_order_value, lost_order_rate from mart.kpi_monthly") == [(0, None, 1)]


def test_an_order_whose_date_is_corrected_moves_to_the_other_month(shop: World) -> None:
    reprice(shop, 1, 12, hour=1)
    add_order(shop, 1, at(1), 1)
    load(shop, 1)
    update(shop, "orders", {"order_id": 1}, at(2), ordered_ts=at(-3))
    load(shop, 2)
    assert shop.warehouse("select month, orders from mart.kpi_monthly") == [(at(-3).date().replace(day=1), 1)]
    assert shop.warehouse("select ordered_date_key from dwh.fact_order_line") == [(20251228,)]


@pytest.mark.parametrize(("ordered", "delivered"), [(at(-1), at(2)), (at(2), at(-1))])
def test_an_order_that_is_delivered_in_another_year_has_both_dates(
    shop: World, ordered: dt.datetime, delivered: dt.datetime
) -> None:
    add_order(shop, 1, ordered, 1, delivered_ts=delivered)
    load(shop, 2)
    assert shop.warehouse("select ordered_date_key, delivered_date_key from dwh.fact_order") == [
        tuple(int(f"{instant:%Y%m%d}") for instant in (ordered, delivered))
    ]
    assert queue(shop) == set()


def test_days_and_quarters_are_utc_whatever_the_time_zone_of_the_server(world: World, admin: str) -> None:
    with postgres.session(admin, "tests") as cursor:
        for url in (world.operational_url, world.warehouse_url):
            cursor.execute(f"alter database {database_of(url)} set timezone = 'America/New_York'")
    open_shop(world)
    create_warehouse(world)
    for order, hour in ((1, 2), (2, 23)):  # in New York the first one is of the year before
        add_order(world, order, at(1, hour), 1)
    load(world, 1)
    assert world.rows("select ordered_date_key from dwh.fact_order") == {(20260101,)}
    assert world.rows("select quarter_label, orders, unique_customers from mart.kpi_quarterly_country") == {
        ("2026-Q1*", 2, 1)
    }
    assert world.rows("select month, orders from mart.kpi_monthly") == {(date(1), 2)}


def test_labels_are_never_null(shop: World) -> None:
    load(shop, 1)
    assert shop.rows("select customer_id, email, phone from dwh.dim_customer") == {
        (-1, "Unknown", "Unknown"),
        (1, "Unknown", "Unknown"),
    }
    assert ("Unknown", "Unknown") in shop.rows("select unit, postal_code from dwh.dim_address where address_id = 1")


def test_a_state_that_is_renamed_renames_its_addresses(shop: World) -> None:
    load(shop, 1)
    update(shop, "states", {"state_code": "CA"}, at(2), name="Kalifornien")
    load(shop, 2)
    assert shop.warehouse("select state_name from dwh.dim_address where address_id = 1") == [("Kalifornien",)]


def test_a_type_that_is_renamed_renames_its_products(shop: World) -> None:
    load(shop, 1)
    update(shop, "product_types", {"product_type_id": 1}, at(2), name="Platten")
    load(shop, 2)
    assert shop.warehouse("select product_type from dwh.dim_product where product_id = 1") == [("Platten",)]


def test_a_load_of_nothing_writes_nothing(shop: World) -> None:
    add_order(shop, 1, at(1), 1)
    load(shop, 1)
    before = shop.warehouse("select xmin::text, ctid::text, * from dwh.fact_order")
    load_extracted(shop, date(1))
    assert shop.warehouse("select xmin::text, ctid::text, * from dwh.fact_order") == before


def test_orders_of_a_customer_who_is_not_in_the_source_stay_unknown_and_queued(shop: World) -> None:
    shop.source("alter table ops.orders drop constraint orders_customer_id_fkey")
    add_order(shop, 1, at(1), 1, customer_id=99)
    load(shop, 1)
    load(shop, 2)
    assert queue(shop) == {("fact_order", "1", "dim_customer")}
    insert(shop, "customers", at(3), customer_id=99, first_name="B", last_name="C", registered_on=date(3))
    load(shop, 3)
    assert queue(shop) == set()


def test_an_order_without_customer_is_unknown_and_waits_for_nobody(shop: World) -> None:
    shop.source("alter table ops.orders alter column customer_id drop not null")
    add_order(shop, 1, at(1), 1, customer_id=None)
    load(shop, 1)
    assert shop.warehouse("select customer_key from dwh.fact_order") == [(-1,)]
    assert queue(shop) == set()


def test_a_new_product_and_its_first_order_load_together(shop: World) -> None:
    load(shop, 1)
    add_product(shop, 2, 5, at(2, 10))
    add_order(shop, 1, at(2, 9), 2)  # ordered before the product's row was written
    load(shop, 2)
    assert shop.warehouse(LINE_PRICES) == [(1, 5.0)]
    assert queue(shop) == set()
