"""Each check finds an error of its kind, and nothing in a warehouse that is right."""

import datetime as dt
import json

import pytest
from support.loads import create_warehouse, load_day
from support.shop import add_order, at, date, open_shop, update
from support.world import World

from pipeline.kernel import postgres
from pipeline.trust import checks

DAY = date(3)
TASK_FAILED = 30
KEYS = {
    "fact_order": (
        "customer_key", "address_key", "payment_method_key", "order_status_key", "ordered_date_key",
        "delivered_date_key",
    ),
    "fact_order_line": ("product_key", "supplier_key", "ordered_date_key"),
    "fact_partner_order": ("customer_key", "delivered_date_key"),
    "fact_review": ("customer_key", "review_date_key"),
}  # fmt: skip
UNKNOWN = {
    "dim_date": "date_key",
    **{f"dim_{name}": f"{name}_key" for name in ("customer", "address", "payment_method", "order_status")},
    **{f"dim_{name}": f"{name}_key" for name in ("supplier", "product")},
}
ITEM = (
    "create table work.fact_partner_order as select 'P1' as order_id, 'I1' as item_id; "
    "insert into dwh.fact_partner_order values ('P1', 'I1', -1, -1, 'Song')"
)
REVIEW = (
    "create table work.fact_review as select 'R1' as review_id; "
    "insert into dwh.fact_review (review_id, customer_key, review_date_key, review_date, positive_review, classifier) "
    "values ('R1', -1, -1, '1999-01-01', true, 'keyword')"
)

# One of two constraints without names, which lets no version be current and have an end.
UNTIED = "alter table dwh.dim_product drop constraint dim_product_check1"


def of_order(table: str, change: str) -> str:
    return f"update dwh.{table} set {change} where order_id = 2"


def of_version(change: str, which: str = "is_current") -> str:
    return f"update dwh.dim_product set {change} where product_id = 1 and {which}"


# What is planted for a check to find, one error for each of its conditions, in rows that the last load wrote.
PLANTED = {
    "amounts_of_lines": [of_order("fact_order_line", "line_amount = line_amount + 1")],
    "amounts_of_orders": [
        "delete from dwh.fact_order_line where order_id = 2",
        of_order("fact_order", "order_amount = order_amount + 1"),
        of_order("fact_order", "line_count = line_count + 1"),
        of_order("fact_order_line", "is_deleted = true"),
    ],
    "delivered_before_ordered": [of_order("fact_order", "delivered_ts = ordered_ts - interval '1 s'")],
    "keys_of_lines": [of_order("fact_order_line", f"{key} = 999") for key in KEYS["fact_order_line"]],
    "keys_of_orders": [of_order("fact_order", f"{key} = 999") for key in KEYS["fact_order"]],
    "keys_of_partner_orders": [
        f"{ITEM}; update dwh.fact_partner_order set {key} = 999" for key in KEYS["fact_partner_order"]
    ],
    "keys_of_reviews": [f"{REVIEW}; update dwh.fact_review set {key} = 999" for key in KEYS["fact_review"]],
    "lines_without_order": ["delete from dwh.fact_order where order_id = 2"],
    "price_versions": [
        of_version("valid_from = valid_from + interval '1 s'"),
        of_version("valid_from = valid_from - interval '1 s'"),
        of_version("valid_from = valid_from + interval '1 s'", "not is_current"),
        f"{UNTIED}; {of_version('is_current = false')}",
        f"{UNTIED}; {of_version('is_current = true', 'not is_current')}",
        f"{UNTIED}; {of_version('valid_to = valid_from + interval $$1 s$$')}",
    ],
    "prices_of_lines": [
        of_order("fact_order_line", "product_key = (select product_key from dwh.dim_product where unit_price = 10)")
    ],
    "primary_keys": ["alter table dwh.fact_order drop constraint fact_order_pkey"],
    "rows_from_the_future": [
        of_order("fact_order", f"{instant} = now() + interval '1 h'") for instant in ("ordered_ts", "delivered_ts")
    ],
    "totals_of_the_mart": [
        "update mart.agg_order_month set orders = orders + 1",
        "update mart.agg_order_month set sales = sales + 1",
        "delete from mart.agg_order_month",
    ],
    "unknown_members": [f"delete from dwh.{table} where {key} = -1" for table, key in UNKNOWN.items()],
    "volume_of_extracts": [],
}


@pytest.fixture
def shop(world: World) -> World:
    """A warehouse whose last load brought a new price of product 1 and order 2 at that price."""
    open_shop(world)
    create_warehouse(world)
    add_order(world, 1, at(2), 1, price=10)
    load(world, 2)
    update(world, "products", {"product_id": 1}, at(3, 6), unit_price=12)
    add_order(world, 2, at(3), 1, price=12)
    load(world, 3)
    return world


def load(world: World, day: int) -> None:
    load_day(world, date(day))


def run(world: World, day: dt.date = DAY, *, whole: bool = False) -> dict[str, int]:
    """Checks, and returns how many rows each check found that found any."""
    with postgres.transaction(world.warehouse_url, "warehouse") as cursor:
        return {found.check.name: found.failures for found in checks.run(cursor, day, whole=whole) if found.failures}


def test_a_warehouse_that_is_right_passes_all(shop: World) -> None:
    assert run(shop) == run(shop, whole=True) == {}
    assert len(shop.rows("select check_name from etl.check_result where whole")) == len(checks.checks())


def test_every_check_has_its_planted_error() -> None:
    assert {check.name for check in checks.checks()} == set(PLANTED)
    assert all(check.severity in (checks.ERROR, checks.WARN) and check.title for check in checks.checks())


def test_each_planted_error_is_found_and_its_query_shows_the_rows(shop: World) -> None:
    for check in checks.checks():
        for statement in PLANTED[check.name]:
            with postgres.transaction(shop.warehouse_url, "warehouse") as cursor:
                cursor.execute(statement)
                [found] = [each for each in checks.run(cursor, DAY, whole=check.whole) if each.check == check]
                assert len(postgres.rows(cursor, found.query)) == found.failures > 0, f"{check.name}: {statement}"
                cursor.connection.rollback()


def test_rows_without_an_error_are_not_found(shop: World) -> None:
    with postgres.transaction(shop.warehouse_url, "warehouse") as cursor:
        cursor.execute(f"{ITEM}; {REVIEW}")
        cursor.execute(of_order("fact_order", "is_deleted = true"))
        cursor.execute(of_order("fact_order_line", "is_deleted = true"))
        assert [found for found in checks.run(cursor, DAY, whole=False) if found.failures] == []
        cursor.connection.rollback()


def test_what_an_earlier_load_wrote_is_looked_at_when_everything_is(shop: World) -> None:
    shop.warehouse("update dwh.fact_order_line set line_amount = 7 where order_id = 1")
    assert run(shop) == {}
    assert run(shop, whole=True) == {"amounts_of_lines": 1, "amounts_of_orders": 1}


@pytest.mark.parametrize(
    ("usual", "rows", "is_told"),
    [
        ((1000, 1002), 5000, True),
        ((1000, 1002), 0, True),
        ((1000, 1002), 600, False),  # by less than half of the mean
        ((90, 90), 0, False),  # by less than 100 rows
        ((90, 90), 200, True),
        ((0, 2000), 4500, False),  # by less than four standard deviations
        ((0, 2000), 5500, True),
    ],
)
def test_a_table_that_brings_far_more_or_fewer_rows_than_it_used_to_is_told(
    shop: World, usual: tuple[int, int], rows: int, is_told: bool
) -> None:
    for day in range(1, 31):
        ran = json.dumps({"table": "ops.orders", "date": str(date(day))})
        shop.warehouse(
            "insert into etl.task_run (task, params, started, finished, status, rows) "
            "values ('ExtractTable', %s, now(), now(), 'done', %s)",
            (ran, rows if day == 30 else usual[day % 2]),
        )
    assert run(shop, date(29)) == {}
    assert run(shop, date(30)) == ({"volume_of_extracts": 1} if is_told else {})


def test_a_line_that_waits_for_its_version_is_no_error(shop: World) -> None:
    [statement] = PLANTED["prices_of_lines"]
    shop.warehouse(statement)
    assert run(shop) == {"prices_of_lines": 1}
    shop.warehouse("insert into etl.reprocessing_queue values ('fact_order_line', '2/1', 'dim_product')")
    assert run(shop) == {}


def test_a_mart_that_is_behind_or_not_kept_is_no_error(shop: World) -> None:
    shop.warehouse("update mart.agg_order_month set orders = orders + 1")
    shop.warehouse("insert into mart.refill (reason) values ('nobody keeps it')")
    assert run(shop, whole=True) == {}


def test_everything_is_checked_again_after_some_days(shop: World) -> None:
    with postgres.transaction(shop.warehouse_url, "warehouse") as cursor:
        assert checks.is_whole_due(cursor, DAY, 7)
        checks.run(cursor, DAY, whole=True)
        assert not checks.is_whole_due(cursor, DAY + dt.timedelta(days=6), 7)
        assert checks.is_whole_due(cursor, DAY + dt.timedelta(days=7), 7)


def test_a_load_in_which_a_check_finds_an_error_fails_until_it_is_fixed(world: World) -> None:
    open_shop(world)
    add_order(world, 1, at(2), 1, delivered_ts=dt.datetime.now(dt.UTC) + dt.timedelta(days=1))
    found = world.where(RISK_API_URL="")
    marked = "select update_id from etl.marker where update_id similar to '(CheckWarehouse|DailyWarehouseLoad)%'"
    for _ in range(2):
        output = found.load(date(2), expect=TASK_FAILED)
        assert f"cannot call the load of {date(2)} right, because rows_from_the_future found 1 orders" in output
        assert found.warehouse(marked) == []
    update(world, "orders", {"order_id": 1}, at(3), delivered_ts=at(1))
    for day in (3, 2):
        # What is only a warning fails no load.
        assert "warn: 1 orders that are delivered before they are placed" in found.load(date(day))
    assert len(found.warehouse(marked)) == 4


def test_an_error_of_a_date_is_found_again_after_a_later_load_until_its_row_is_fixed(world: World) -> None:
    open_shop(world)
    add_order(world, 1, at(2), 1)
    found = world.where(RISK_API_URL="", OCEAN_CHECK_WHOLE_DAYS="0")
    found.load(date(2))
    add_order(world, 2, at(3), 1, delivered_ts=dt.datetime.now(dt.UTC) + dt.timedelta(days=1))
    found.load(date(3), expect=TASK_FAILED)
    add_order(world, 3, at(4), 1)
    found.load(date(4))
    # What the newest load wrote is order 3 alone.
    for _ in range(2):
        assert "rows_from_the_future found 1 orders" in found.load(date(3), expect=TASK_FAILED)
    found.warehouse("update dwh.fact_order set delivered_ts = null where order_id = 2")
    found.load(date(3))
    assert found.warehouse("select count(*) from etl.check_result where failures > 0") == [(0,)]


def test_a_date_that_was_not_checked_before_a_later_one_was_is_checked_as_a_whole(shop: World) -> None:
    with postgres.transaction(shop.warehouse_url, "warehouse") as cursor:
        assert not checks.is_whole_owed(cursor, date(3))
        checks.run(cursor, date(3), whole=False)
        assert not checks.is_whole_owed(cursor, date(3))
        assert not checks.is_whole_owed(cursor, date(4))
        assert checks.is_whole_owed(cursor, date(2))
        checks.run(cursor, date(2), whole=True)
        assert not checks.is_whole_owed(cursor, date(2))


def test_a_date_with_a_warning_alone_has_passed(shop: World) -> None:
    shop.warehouse(of_order("fact_order", "delivered_ts = ordered_ts - interval '1 s'"))
    assert run(shop) == {"delivered_before_ordered": 1}
    with postgres.transaction(shop.warehouse_url, "warehouse") as cursor:
        assert not checks.is_whole_owed(cursor, DAY)
