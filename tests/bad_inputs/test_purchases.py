"""Rows of retail.user_purchase, a plain table of another shop's without any constraint: one load, case by case."""

import re
from dataclasses import dataclass
from typing import Any

import pytest
from support import shop
from support.feeds_world import classify, deliver_reviews, load_behavior, run, settings_of
from support.loads import create_source, create_warehouse
from support.world import World, Worlds

from pipeline.kernel import postgres
from pipeline.kernel.errors import TooManyRejected
from pipeline.source import bounds
from pipeline.tasks.load_reviews import LoadReviews
from pipeline.tasks.load_user_behavior import ExtractPurchases, LoadUserBehavior

TABLE = """
drop view retail.user_purchase;
create table retail.user_purchase (
    invoice_number text, stock_code text, detail text, quantity numeric,
    invoice_date timestamp, unit_price double precision, customer_id numeric, country text, "a; 'b" text
)
"""
INSERT = """
insert into retail.user_purchase (invoice_number, stock_code, detail, quantity, invoice_date, unit_price, customer_id)
values (%(number)s, 'S', %(detail)s, %(quantity)s, %(invoice_date)s, %(unit_price)s, %(customer_id)s)
"""
GOOD = {"detail": "Record", "quantity": 3, "invoice_date": "2026-01-01 12:00:00", "unit_price": 2, "customer_id": 1}
INSTANT = "invoice_date is not within 1900-01-01 to 9999-12-30"
QUANTITY = "quantity is not between -2147483648 and 2147483647"
CUSTOMER = "customer_id is not between -9223372036854775808 and 9223372036854775807"
PRICE = "unit_price is infinite or as good as that"


@dataclass(frozen=True)
class Case:
    """In what a purchase differs from a good one, why it is rejected, and what else stage has of it, or None."""

    name: str
    spoilt: dict[str, Any]
    reason: str = ""
    shown: dict[str, Any] | None = None


CASES = [
    Case("as it should be", {}, shown={"quantity": 3, "unit_price": 2}),
    Case("the same twice", {}, shown={"quantity": 3}),
    Case("a price of NaN", {"unit_price": "NaN"}, "unit_price is NaN"),
    Case("an infinite price", {"unit_price": "Infinity"}, PRICE),
    Case("a price below all", {"unit_price": "-Infinity"}, PRICE),
    Case("a price of 300 digits", {"unit_price": "1e300"}, PRICE),
    Case("no price", {"unit_price": None}, shown={"unit_price": None}),
    Case("a negative price", {"unit_price": -11062.06}, shown={"unit_price": -11062.06}),
    Case("a quantity of NaN", {"quantity": "NaN"}, QUANTITY),
    Case("an infinite quantity", {"quantity": "Infinity"}, QUANTITY),
    Case("a quantity beyond all", {"quantity": "3000000000"}, QUANTITY),
    Case("half a piece", {"quantity": "3.5"}, "quantity is not a whole number"),
    Case("a return", {"quantity": -3}),
    Case("two pieces", {"quantity": 2}),
    Case("no quantity", {"quantity": None}),
    Case("no day", {"invoice_date": None}, "invoice_date is missing"),
    *(
        Case(f"on {when}", {"invoice_date": when}, INSTANT)
        for when in ("infinity", "-infinity", "0044-03-15 BC", "1899-12-31 23:59:59", "9999-12-31", "20026-01-01")
    ),
    Case("in the last instant of the day", {"invoice_date": "2026-01-01 23:59:59.999999"}, shown={"quantity": 3}),
    Case("on the day after", {"invoice_date": "2026-01-02"}),
    Case("no customer", {"customer_id": None}, shown={"customer_id": None}),
    Case("a customer of NaN", {"customer_id": "NaN"}, CUSTOMER),
    Case("a customer beyond bigint", {"customer_id": "1e19"}, CUSTOMER),
    Case("half a customer", {"customer_id": "1.5"}, "customer_id is not a whole number"),
    Case("a customer with a point", {"customer_id": "17850.0"}, shown={"customer_id": 17850}),
    Case("a detail of a megabyte", {"detail": "é" * 500_000}, shown={"detail": "é" * 500_000}),
    Case("a detail that is a statement", {"detail": '\'); --\n""\\.'}, shown={"detail": '\'); --\n""\\.'}),
]


def buy(world: World, *cases: Case) -> None:
    with postgres.session(world.simulator_url, "tests") as cursor:
        for case in cases:
            cursor.execute(INSERT, {"number": case.name} | GOOD | case.spoilt)


def load(world: World, day: int, min_quantity: int | None = None) -> None:
    end = shop.at(day + 1, 0).isoformat()
    world.lake.write(bounds.key_of(shop.date(day)), f'{{"to_watermark": "{end}"}}'.encode())
    load_behavior(world, day, min_quantity)


@pytest.fixture(scope="module")
def lenient(worlds: Worlds) -> World:
    world = worlds.new().where(OCEAN_MAX_REJECTED="1")
    create_source(world)
    world.source(TABLE)
    buy(world, *CASES)
    with settings_of(world):
        create_warehouse(world)
    deliver_reviews(world, 1, (1, "good"))
    classify(world, 1)
    assert run(world, LoadReviews(shop.date(1))) is None
    load(world, 1)
    return world


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_purchase_is_kept_rejected_or_none_of_the_day_s(lenient: World, case: Case) -> None:
    staged = lenient.warehouse(
        "select to_jsonb(purchase) from stage.user_purchase as purchase where invoice_number = %s", (case.name,)
    )
    rejected = lenient.warehouse(
        "select source, date, file, reason from etl.rejected_row where \"row\"::json ->> 'invoice_number' = %s",
        (case.name,),
    )
    file = "extract/retail.user_purchase/date=2026-01-01/data.csv.zst"
    assert rejected == [("retail.user_purchase", shop.date(1), file, case.reason)] * bool(case.reason)
    assert len(staged) == (case.shown is not None)
    for (row,) in staged:
        assert row | (case.shown or {}) == row


def test_the_metric_sums_what_is_kept(lenient: World) -> None:
    [(count, kept)] = lenient.warehouse(
        "select count(*), sum(quantity * coalesce(unit_price, 0)) from stage.user_purchase where customer_id = 1"
    )
    assert count == sum(case.shown is not None and "customer_id" not in case.spoilt for case in CASES)
    assert lenient.warehouse("select insert_date, customerid, amount_spent from dwh.user_behavior_metric") == [
        (shop.date(1), 1, kept)
    ]
    assert lenient.warehouse("select count(*) from etl.user_purchase_day") == [(1,)]


def test_what_no_day_covers_is_rejected_once_and_returns_count_where_they_are_asked_for(lenient: World) -> None:
    rejected = lenient.warehouse("select count(*) from etl.rejected_row")
    load(lenient, 2)
    assert lenient.warehouse("select count(*) from etl.rejected_row") == rejected
    load(lenient, 1, min_quantity=-10)
    assert lenient.rows("select quantity from stage.user_purchase where invoice_number = 'a return'") == {(-3,)}
    assert lenient.warehouse("select count(*) from etl.rejected_row") == rejected


def with_bad_prices(worlds: Worlds) -> World:
    """A source of purchases whose prices mostly cannot be kept, on a day that is over, and an empty warehouse."""
    world = worlds.new()
    create_source(world)
    world.source(TABLE)
    buy(world, *[case for case in CASES if "price" in case.name])
    with settings_of(world):
        create_warehouse(world)
    world.lake.write(bounds.key_of(shop.date(1)), f'{{"to_watermark": "{shop.at(2, 0).isoformat()}"}}'.encode())
    return world


def test_too_many_rejected_purchases_fail_the_day_and_leave_nothing_of_it(worlds: Worlds) -> None:
    world = with_bad_prices(worlds)
    assert run(world, ExtractPurchases(shop.date(1), min_quantity=None)) is None
    failure = run(world, LoadUserBehavior(shop.date(1), min_quantity=None))
    assert isinstance(failure, TooManyRejected)
    assert "cannot load retail.user_purchase of 2026-01-01, because 4 of 6 rows cannot be kept" in str(failure)
    assert world.rows("select 1 from stage.user_purchase union all select 1 from etl.rejected_row") == set()


def test_purchases_are_loaded_when_the_advice_after_too_many_bad_ones_was_followed(worlds: Worlds) -> None:
    world = with_bad_prices(worlds)
    extract, load_day = (task(shop.date(1), min_quantity=None) for task in (ExtractPurchases, LoadUserBehavior))
    assert run(world, extract) is None
    failure = run(world, load_day)
    [folder] = re.findall(r"fix them in the source, delete (\S+) on the lake and run this again, or", str(failure))
    world.source("update retail.user_purchase set unit_price = 1")
    world.lake.delete([file.key for file in world.lake.objects(folder)])
    assert run(world, extract) is None
    assert run(world, load_day) is None
    assert world.warehouse("select count(*) from stage.user_purchase") == [(6,)]
    assert world.rows("select 1 from etl.rejected_row") == set()
