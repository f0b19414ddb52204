"""Each check finds an error of its kind, and nothing in a warehouse that is right."""

import datetime as dt
import json
from collections.abc import Callable, Collection

import pytest
from support.loads import extract_date, load_day, load_stages
from support.shop import add_order, at, date, open_shop, update
from support.world import World

from pipeline.catalog import SOURCE_TABLES
from pipeline.kernel import locks, postgres
from pipeline.kernel.errors import ChecksFailed
from pipeline.kernel.postgres import Cursor
from pipeline.operations.state import ERROR, WARN
from pipeline.star import mart
from pipeline.tasks.check_warehouse import CheckMart
from pipeline.trust import checks
from pipeline.trust.checks import Result

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
def shop(shop: World) -> World:
    """A warehouse whose last load brought a new price of product 1 and order 2 at that price."""
    add_order(shop, 1, at(2), 1, price=10)
    load(shop, 2)
    update(shop, "products", {"product_id": 1}, at(3, 6), unit_price=12)
    add_order(shop, 2, at(3), 1, price=12)
    load(shop, 3)
    return shop


def load(world: World, day: int) -> None:
    load_day(world, date(day))


def run_checks(cursor: Cursor, day: dt.date, whole: Collection[str]) -> list[Result]:
    return checks.run(cursor, day, names=checks.of("dwh", "mart"), whole=whole)


def run(world: World, day: dt.date = DAY, *, whole: bool = False) -> dict[str, int]:
    """Checks, and returns how many rows each check found that found any."""
    with postgres.transaction(world.warehouse_url, "warehouse") as cursor:
        found = run_checks(cursor, day, checks.by_weight() if whole else ())
    return {each.check.name: each.failures for each in found if each.failures}


def test_a_warehouse_that_is_right_passes_all(shop: World) -> None:
    assert run(shop) == run(shop, whole=True) == {}
    assert len(shop.rows("select check_name from etl.check_result where whole")) == len(checks.checks())


def test_every_check_has_its_planted_error() -> None:
    assert {check.name for check in checks.checks()} == set(PLANTED)
    assert all(check.severity in (ERROR, WARN) and check.title for check in checks.checks())


def test_each_planted_error_is_found_and_its_query_shows_the_rows(shop: World) -> None:
    for check in checks.checks():
        for statement in PLANTED[check.name]:
            with postgres.transaction(shop.warehouse_url, "warehouse") as cursor:
                cursor.execute(statement)
                whole = [check.name] if check.whole else []
                [found] = [each for each in run_checks(cursor, DAY, whole) if each.check == check]
                assert len(postgres.rows(cursor, found.query)) == found.failures > 0, f"{check.name}: {statement}"
                cursor.connection.rollback()


def test_rows_without_an_error_are_not_found(shop: World) -> None:
    with postgres.transaction(shop.warehouse_url, "warehouse") as cursor:
        cursor.execute(f"{ITEM}; {REVIEW}")
        cursor.execute(of_order("fact_order", "is_deleted = true"))
        cursor.execute(of_order("fact_order_line", "is_deleted = true"))
        assert [found for found in run_checks(cursor, DAY, ()) if found.failures] == []
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


def test_rows_are_checked_while_the_mart_is_kept_and_loads_wait_for_both(shop: World) -> None:
    tables = ("dim_product", "fact_order", "fact_order_line")
    with postgres.transaction(shop.warehouse_url, "warehouse") as keeping:
        mart.keep(keeping, lambda *_: None)
        with postgres.transaction(shop.warehouse_url, "warehouse") as other:
            locks.lock_tables(other, *(f"dwh.{table}" for table in tables), shared=True)
            assert run_checks(other, DAY, checks.by_weight())
            for table in tables:
                other.execute("set local lock_timeout = '10ms'")
                with pytest.raises(postgres.errors.LockNotAvailable):
                    locks.lock_tables(other, f"dwh.{table}")
                other.connection.rollback()


def test_a_mart_that_is_behind_is_compared_by_the_next_load(shop: World) -> None:
    run(shop, whole=True)
    shop.warehouse("insert into mart.refill (reason) values ('a load is under way')")
    CheckMart(DAY).run()
    with postgres.transaction(shop.warehouse_url, "warehouse") as cursor:
        assert checks.due(cursor, DAY, 0) == list(checks.of("mart"))
    assert CheckMart.due(DAY)
    shop.warehouse("delete from mart.refill; update mart.agg_order_month set orders = orders + 1")
    with pytest.raises(ChecksFailed, match="totals_of_the_mart found 1 month"):
        CheckMart(DAY).run()
    shop.warehouse("update mart.agg_order_month set orders = orders - 1")
    CheckMart(DAY).run()
    assert not CheckMart.due(DAY)


def test_the_first_load_without_a_mart_passes(world: World) -> None:
    open_shop(world)
    add_order(world, 1, at(2), 1)
    world.where(RISK_API_URL="", OCEAN_MART="0").load(date(2), "--workers", "2")
    assert world.warehouse("select count(*) from etl.check_result where check_name = 'totals_of_the_mart'") == [(1,)]


def test_each_check_looks_at_everything_again_within_some_days_and_then_once(shop: World) -> None:
    run(shop, whole=True)
    seen = []
    for day in range(1, 8):
        with postgres.transaction(shop.warehouse_url, "warehouse") as cursor:
            due = checks.due(cursor, DAY + dt.timedelta(days=day), 7)
            run_checks(cursor, DAY + dt.timedelta(days=day), due)
            assert not checks.due(cursor, DAY + dt.timedelta(days=day), 7)
        seen += due
    assert sorted(seen) == sorted(checks.by_weight())
    assert shop.rows("select check_name from etl.check_result where whole and load_date > '2026-01-03'") == {
        (check.name,) for check in checks.checks()
    }
    with postgres.transaction(shop.warehouse_url, "warehouse") as cursor:
        assert checks.due(cursor, DAY + dt.timedelta(days=14), 7) == list(checks.by_weight())


def test_what_looks_at_everything_with_each_load_takes_no_turns(shop: World) -> None:
    assert {check.name for check in checks.checks()} - {*checks.by_weight()} == {
        "primary_keys", "unknown_members", "volume_of_extracts",
    }  # fmt: skip
    run(shop)
    assert len(shop.rows("select check_name from etl.check_result where whole")) == 3


def test_a_check_that_fails_in_its_turn_is_due_until_it_passes_and_a_warning_passes(shop: World) -> None:
    shop.warehouse(of_order("fact_order_line", "line_amount = 7"))
    shop.warehouse(of_order("fact_order", "delivered_ts = ordered_ts - interval '1 s'"))
    failed = ["amounts_of_lines", "amounts_of_orders"]
    assert run(shop, whole=True) == dict.fromkeys([*failed, "delivered_before_ordered"], 1)
    for days in (7, 0):
        with postgres.transaction(shop.warehouse_url, "warehouse") as cursor:
            assert checks.due(cursor, DAY, days) == failed
    shop.warehouse(of_order("fact_order_line", "line_amount = quantity * unit_price"))
    assert run(shop, whole=True) == {"delivered_before_ordered": 1}
    with postgres.transaction(shop.warehouse_url, "warehouse") as cursor:
        assert checks.due(cursor, DAY, 7) == []


def test_the_loads_of_a_period_see_everything_once_and_find_an_error_in_old_rows_until_it_is_fixed(
    world: World,
) -> None:
    open_shop(world)
    add_order(world, 1, at(2), 1)
    found = world.where(RISK_API_URL="", OCEAN_CHECK_WHOLE_DAYS="3", OCEAN_RECONCILE_DAYS="3")
    found.load(date(2))
    assert found.rows("select check_name from etl.check_result where whole") == {
        (each.name,) for each in checks.checks()
    }
    for day in range(3, 6):
        add_order(world, day, at(day), 1)
        found.load(date(day))
    seen = found.warehouse("select check_name from etl.check_result where whole and load_date > %s", (date(2),))
    assert sorted(name for (name,) in seen if name in checks.by_weight()) == sorted(checks.by_weight())
    compared = found.warehouse("select table_name from etl.reconciliation")
    assert sorted(name for (name,) in compared) == sorted(SOURCE_TABLES)

    found.warehouse("update dwh.fact_order_line set line_amount = line_amount + 1 where order_id = 1")
    found = found.where(OCEAN_RECONCILE_DAYS="0")
    outcomes: list[int] = []
    while not outcomes or outcomes[-1] == 0:
        assert len(outcomes) < 3
        process = found.start("DailyWarehouseLoad", "--date", str(date(6 + len(outcomes))))
        output, _ = process.communicate()
        outcomes.append(process.returncode)
    assert "found 1 order" in output
    assert "found 1 order" in found.load(date(6 + len(outcomes)), expect=TASK_FAILED)
    found.warehouse("update dwh.fact_order_line set line_amount = quantity * unit_price")
    found.load(date(7 + len(outcomes)))


def leave_out_for_another_load(world: World) -> World:
    """Loads a date while another load has brought rows to stage, which it has not brought to dwh yet."""
    world.luigi("LoadMart", "--date", str(date(3)))
    extract_date(world, date(4))
    load_stages(world, date(4))
    world.load(date(3))
    return world


def leave_out_for_a_dimension(world: World) -> World:
    """Loads a date without a dimension."""
    world.warehouse("alter table dwh.dim_customer add constraint broken check (customer_id = -1) not valid")
    update(world, "customers", {"customer_id": 1}, at(3), first_name="Eve")
    world.load(date(3), expect=TASK_FAILED)
    world.warehouse("alter table dwh.dim_customer drop constraint broken")
    return world


@pytest.mark.parametrize("leave_out", [leave_out_for_another_load, leave_out_for_a_dimension])
def test_rows_that_were_not_checked_with_their_load_are_checked_with_the_next_one(
    world: World, leave_out: Callable[[World], World]
) -> None:
    open_shop(world)
    add_order(world, 1, at(2), 1)
    found = world.where(RISK_API_URL="", OCEAN_CHECK_WHOLE_DAYS="0")
    found.load(date(2))
    add_order(world, 2, at(3), 1)
    add_order(world, 3, at(4), 1)
    leave_out(found)
    assert found.warehouse("select count(*) from etl.check_result where load_date = %s", (date(3),)) == [(0,)]
    found.warehouse("update dwh.fact_order_line set line_amount = line_amount + 1 where order_id = 2")
    assert "amounts_of_lines found 1 order lines" in found.load(date(4), expect=TASK_FAILED)


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
        run_checks(cursor, date(3), ())
        assert not checks.is_whole_owed(cursor, date(3))
        assert not checks.is_whole_owed(cursor, date(4))
        assert checks.is_whole_owed(cursor, date(2))
        run_checks(cursor, date(2), checks.by_weight())
        assert not checks.is_whole_owed(cursor, date(2))


def test_a_date_with_a_warning_alone_has_passed(shop: World) -> None:
    shop.warehouse(of_order("fact_order", "delivered_ts = ordered_ts - interval '1 s'"))
    assert run(shop) == {"delivered_before_ordered": 1}
    with postgres.transaction(shop.warehouse_url, "warehouse") as cursor:
        assert not checks.is_whole_owed(cursor, DAY)
