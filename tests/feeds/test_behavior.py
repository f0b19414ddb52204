"""dwh.user_behavior_metric against a plain-Python oracle, and the ways of a day's purchases into it."""

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, note, settings
from hypothesis import strategies as st
from support import shop
from support.feeds_world import classify, deliver_reviews, load_behavior, run
from support.loads import create_warehouse, let_extraction_read
from support.world import World

from pipeline.feeds import purchases
from pipeline.kernel import postgres
from pipeline.source import bounds
from pipeline.tasks.load_reviews import LoadReviews

DAYS = 4
METRIC = "select insert_date, customerid, amount_spent, review_score, review_count from dwh.user_behavior_metric"
LOADED = "select day, min_quantity, rows, without_customer from etl.user_purchase_day"
TABLE = """
create schema retail;
create table retail.user_purchase (
    invoice_number varchar(10), stock_code varchar(20), detail varchar(1000), quantity int,
    invoice_date timestamp, unit_price numeric(8, 3), customer_id int, country varchar(20)
)
"""
INSERT = "insert into retail.user_purchase (invoice_date, customer_id, quantity, unit_price) values (%s, %s, %s, %s)"


@dataclass(frozen=True)
class Purchase:
    day: int
    hour: int
    customer: int | None
    quantity: int
    price: Decimal | None


customers = st.integers(1, 3)
purchased = st.builds(
    Purchase,
    day=st.integers(1, DAYS),
    hour=st.integers(0, 23),
    customer=st.none() | customers,
    quantity=st.integers(1, 5),
    price=st.sampled_from([None, Decimal("0.125"), Decimal(2)]),
)
reviewed = st.tuples(customers, st.sampled_from(["good", "bad"]))
# The reviews of a day are delivered, in the place of those before; or a day is loaded, perhaps with another limit.
steps = st.one_of(
    st.tuples(st.integers(1, DAYS), st.lists(reviewed, max_size=3)),
    st.tuples(st.integers(1, DAYS), st.sampled_from([None, None, 3])),
)


@dataclass
class Oracle:
    """What was delivered and loaded, and what the metric must then say."""

    purchases: list[Purchase]
    delivered: dict[int, list[tuple[int, str]]] = field(default_factory=dict)
    reviews: dict[int, list[tuple[int, str]]] = field(default_factory=dict)
    days: dict[int, int] = field(default_factory=dict)

    def load(self, day: int, min_quantity: int) -> None:
        self.reviews |= {date: found for date, found in self.delivered.items() if date <= day}
        first = day
        if not self.days:
            first = min((bought.day for bought in self.purchases if bought.quantity > min_quantity), default=day)
        elif max(self.days) < day:
            first = max(self.days) + 1
        self.days |= dict.fromkeys([*range(first, day), day], min_quantity)

    def counting(self, day: int) -> list[Purchase]:
        return [bought for bought in self.purchases if bought.day == day and bought.quantity > self.days[day]]

    def loaded(self) -> set[tuple[Any, ...]]:
        return {
            (shop.date(day), limit, len(self.counting(day)), sum(not bought.customer for bought in self.counting(day)))
            for day, limit in self.days.items()
        }

    def metric(self) -> set[tuple[Any, ...]]:
        found = set()
        for day in self.days:
            spent: dict[int, Decimal] = defaultdict(Decimal)
            for bought in self.counting(day):
                if bought.customer:
                    spent[bought.customer] += bought.quantity * (bought.price or 0)
            for customer, amount in spent.items():
                texts = [
                    text
                    for date, of_date in self.reviews.items()
                    for cid, text in of_date
                    if date <= day and cid == customer
                ]
                if texts:
                    found.add((shop.date(day), customer, amount, texts.count("good"), len(texts)))
        return found


def set_up(world: World, bought: Iterable[Purchase]) -> None:
    """A source with nothing but purchases, an empty lake and an empty warehouse; every day is over."""
    for folder in ("landing", "stage", "work", "extract"):
        world.lake.delete(entry.key for entry in world.lake.objects(folder))
    if world.source("select to_regnamespace('retail') is null") == [(True,)]:
        world.source(TABLE)
        let_extraction_read(world)
        create_warehouse(world)
    world.source("delete from retail.user_purchase")
    tables = world.warehouse(
        "select schemaname || '.' || tablename from pg_tables "
        "where schemaname in ('stage', 'etl') or tablename = 'user_behavior_metric'"
    )
    world.warehouse(";".join(f"delete from {table}" for (table,) in tables))
    for day in range(1, DAYS + 1):
        set_bound(world, day, shop.at(day + 1, 0))
    buy(world, *bought)


def set_bound(world: World, day: int, to: dt.datetime) -> None:
    world.lake.write(bounds.key_of(shop.date(day)), json.dumps({"to_watermark": to.isoformat()}).encode())


def buy(world: World, *bought: Purchase) -> None:
    for each in bought:
        when = shop.at(each.day, each.hour).replace(tzinfo=None)
        world.source(INSERT, (when, each.customer, each.quantity, each.price))


def load(world: World, day: int, min_quantity: int | None = None) -> None:
    """Loads the reviews up to a day, and its metric."""
    classify(world, day)
    assert run(world, LoadReviews(shop.date(day))) is None
    load_behavior(world, day, min_quantity)


def amounts(world: World) -> dict[dt.date, float]:
    return {date: float(amount) for date, _, amount, *_ in world.warehouse(METRIC)}


TWICE = [Purchase(1, 8, 1, 3, Decimal(2)), Purchase(1, 9, 1, 4, Decimal(2)), Purchase(1, 9, None, 4, Decimal(2))]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bought=st.lists(purchased, max_size=10), story=st.lists(steps, max_size=7))
# Joined before they are summed, two purchases and two reviews would be four of each.
@example(bought=TWICE, story=[(1, [(1, "good"), (1, "bad")]), (1, None)])
# A review that comes late counts from its own date on, also on days that are loaded already; so does one that goes.
@example(bought=TWICE, story=[(4, None), (1, [(1, "good")]), (4, None), (1, []), (1, None)])
@example(bought=TWICE, story=[(1, [(1, "good")]), (4, None), (1, 3), (2, 3), (1, None)])
# Of several that come late the first one counts from its own date on, not from that of the last one.
@example(bought=TWICE, story=[(4, None), (1, [(1, "good")]), (3, [(1, "bad")]), (4, None)])
def test_the_metric_is_what_the_oracle_says(world: World, bought: list[Purchase], story: list[Any]) -> None:
    set_up(world, bought)
    oracle = Oracle(bought)
    for day, what in [*story, (DAYS, None), (DAYS, None)]:
        note(f"{day} {what}")
        if isinstance(what, list):
            deliver_reviews(world, day, *what)
            oracle.delivered[day] = what
        else:
            load(world, day, what)
            oracle.load(day, what or purchases.CONTRACT_MIN_QUANTITY)
            assert world.rows(METRIC) == oracle.metric()
            assert world.rows(LOADED) == oracle.loaded()


def test_the_oracle_itself_sums_before_it_joins() -> None:
    oracle = Oracle(TWICE, delivered={1: [(1, "good"), (1, "bad")]})
    oracle.load(1, 2)
    assert oracle.metric() == {(shop.date(1), 1, 14, 1, 2)}
    assert oracle.loaded() == {(shop.date(1), 2, 3, 1)}


@pytest.fixture
def unfinished(world: World) -> World:
    """Day 1 was loaded at noon, when it was not over, and day 2 when it was."""
    set_up(world, [Purchase(1, 8, 1, 3, Decimal(1)), Purchase(2, 8, 1, 3, Decimal(1))])
    set_bound(world, 1, shop.at(1, 12))
    deliver_reviews(world, 1, (1, "good"))
    load(world, 1)
    assert amounts(world) == {shop.date(1): 3}
    buy(world, Purchase(1, 18, 1, 6, Decimal(1)))
    load(world, 2)
    return world


def test_a_day_that_was_not_over_is_completed_by_the_next_date(unfinished: World) -> None:
    assert amounts(unfinished) == {shop.date(1): 9, shop.date(2): 3}


def test_a_completed_day_that_is_loaded_again_stays_complete(unfinished: World) -> None:
    deliver_reviews(unfinished, 1, (1, "good"), (1, "bad"))
    load(unfinished, 1)
    assert {(amount, count) for *_, amount, _, count in unfinished.warehouse(METRIC)} == {(9, 2), (3, 2)}
    load(unfinished, 3)
    assert amounts(unfinished) == {shop.date(1): 9, shop.date(2): 3}


def test_a_completed_day_is_loaded_with_another_min_quantity_up_to_its_end(unfinished: World) -> None:
    load(unfinished, 1, 4)
    assert amounts(unfinished) == {shop.date(1): 6, shop.date(2): 3}
    load(unfinished, 3)
    assert amounts(unfinished) == {shop.date(1): 6, shop.date(2): 3}


def test_reviews_of_a_later_date_do_not_make_a_loaded_date_incomplete(world: World) -> None:
    set_up(world, TWICE)
    load(world, 1)
    for day in (1, 2):  # of day 1 one that comes late
        deliver_reviews(world, 3 - day, (1, "good"))
        classify(world, 2)
        assert run(world, LoadReviews(shop.date(2))) is None
        with postgres.session(world.warehouse_url, "warehouse") as cursor:
            assert purchases.is_loaded(cursor, shop.date(1), 2, str) == (day == 1)


def test_a_new_warehouse_is_filled_from_the_lake_alone(world: World) -> None:
    set_up(world, [Purchase(day, 8, customer, 3, Decimal(day)) for day in (1, 2, 4) for customer in (1, None)])
    deliver_reviews(world, 1, (1, "good"))
    for day in (1, 2, 3, 4):
        load(world, day)
    metric, loaded = world.rows(METRIC), world.rows(LOADED)
    assert len(metric) == 3
    world.source("delete from retail.user_purchase")
    world.warehouse("drop schema delta, stage, work, dwh, mart, etl cascade")
    create_warehouse(world)
    load(world, 4)
    assert world.rows(METRIC) == metric
    assert world.rows(LOADED) == loaded


def test_a_backfill_with_another_min_quantity_replaces_its_dates_and_no_other(world: World) -> None:
    shop.open_shop(world)
    for day in (1, 2, 3):
        shop.add_order(world, day, shop.at(day), 1, 1, 1)
        deliver_reviews(world, day, (1, "good"))
    world.source("update ops.order_lines set quantity = 2 + line_number")  # 3, 4 and 5
    classify(world, 3)
    world.luigi(
        "RangeDaily", "--of", "DailyWarehouseLoad", "--start", "2026-01-01", "--stop", "2026-01-04", "--workers", "4"
    )
    assert amounts(world) == {shop.date(day): 120 for day in (1, 2, 3)}
    written = "select xmin::text from dwh.user_behavior_metric where insert_date = '2026-01-03'"
    third = world.warehouse(written)

    span = ("--start", "2026-01-01", "--stop", "2026-01-03")
    world.luigi("RangeDaily", "--of", "LoadUserBehavior", "--of-params", '{"min_quantity": 4}', *span)
    assert amounts(world) == {shop.date(1): 50, shop.date(2): 50, shop.date(3): 120}
    assert world.rows("select day, min_quantity, rows from etl.user_purchase_day") == {
        (shop.date(1), 4, 1),
        (shop.date(2), 4, 1),
        (shop.date(3), 2, 3),
    }
    assert world.warehouse(written) == third


def test_purchases_without_a_customer_are_counted_and_said_so(world: World) -> None:
    shop.open_shop(world)
    world.source("drop schema retail cascade")
    world.source(TABLE)
    let_extraction_read(world)
    shop.add_order(world, 1, shop.at(1), 1)
    buy(world, *TWICE)
    deliver_reviews(world, 1, (1, "good"))
    classify(world, 1)
    assert "user_purchase: 1 rows without a customer are kept out of the metric" in world.load(shop.date(1))
    assert world.rows(METRIC) == {(shop.date(1), 1, 14, 1, 1)}
    assert world.rows(LOADED) == {(shop.date(1), 2, 3, 1)}
