"""Extracts and repairs are loaded in one order, each once, whenever they come; against a plain-Python oracle."""

import itertools
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from support.loads import create_warehouse, extract_date
from support.shop import add_product, at, date, open_shop, update
from support.world import World, Worlds

from pipeline.catalog import SOURCE_TABLES
from pipeline.kernel import config, postgres
from pipeline.kernel.rejected import Allowance
from pipeline.source import layout
from pipeline.stage import loads, repairs
from pipeline.trust import reconcile, repairing

TABLE = SOURCE_TABLES["ops.products"]
KEYS = (1, 2)
prices = st.integers(10, 12)
events = st.one_of(
    st.tuples(st.just("reprice"), st.sampled_from(KEYS), prices),
    st.tuples(st.just("quietly"), st.sampled_from(KEYS), prices),
    st.tuples(st.just("delete"), st.sampled_from(KEYS)),
    st.tuples(st.just("back up")),
    st.tuples(st.just("restore")),
    st.tuples(st.just("extract")),
    st.tuples(st.just("extract")),
    st.tuples(st.just("repair")),
    st.tuples(st.just("repair")),
    st.tuples(st.just("load elsewhere"), st.integers(0, 3)),
    st.tuples(st.just("replay"), st.integers(1, 4)),
)


_numbers = itertools.count()


@pytest.fixture
def two(world: World, worlds: Worlds) -> tuple[World, World]:
    """Two warehouses that share a source and a lake: one repairs, the other one loads now and then."""
    open_shop(world)
    create_warehouse(world)
    return world, replace(world, warehouse_url=worlds.copy_warehouse(world))


class Shop:
    """The source, and the rows that a warehouse must hold which took in what was made of it in the one order."""

    def __init__(self, world: World) -> None:
        self.world, self.day, self.ticks = world, 1, itertools.count(1)
        self.expected: dict[int, tuple[float, bool]] = {}
        self.backup: list[Any] = []

    def rows(self) -> dict[int, tuple[float, Any]]:
        return {key: (float(price), updated) for key, price, updated in self.world.source(ROWS)}

    def reprice(self, key: int, price: int) -> None:
        now = at(self.day, 1 + next(self.ticks) / 100)
        if key in self.rows():
            update(self.world, "products", {"product_id": key}, now, unit_price=price)
        else:
            add_product(self.world, key, price, now)

    def restore(self) -> None:
        self.world.source("truncate ops.products cascade")
        for (row,) in self.backup:
            self.world.source("insert into ops.products select (%s::ops.products).*", (row,))

    def extract(self) -> None:
        extract_date(self.world, date(self.day), [TABLE.name])
        for key, (price, updated) in self.rows().items():
            if self.day == 1 or updated >= at(self.day, 0):
                self.expected[key] = price, False
        self.day += 1

    def repair(self) -> None:
        with (
            postgres.session(self.world.operational_url, "operational") as source,
            postgres.transaction(self.world.warehouse_url, "warehouse") as warehouse,
        ):
            found = reconcile.compare(source, warehouse, TABLE)
            bound = reconcile.loaded_to(warehouse, TABLE)
            assert bound
            if found.to_extract or found.vanished:
                settings_ = config.settings()
                made = repairing.extract_again(source, self.world.lake, settings_, date(self.day), found, bound)
                repairs.load(warehouse, self.world.lake, TABLE, made)
        now = self.rows()
        self.expected |= {key: (price, False) for key, (price, updated) in now.items() if updated < at(self.day, 0)}
        self.expected |= {key: (price, True) for key, (price, _) in self.expected.items() if key not in now}


def load(world: World, day: int, hidden: int | None = None) -> None:
    """Loads the extract of a day and what stage lacks before it; a repair may not be seen yet."""
    found = layout.metadata(world.lake, TABLE.name, date(day))
    assert found
    made = repairs.folders(world.lake, TABLE)
    if hidden is not None and made:
        del made[hidden % len(made)]
    with postgres.transaction(world.warehouse_url, "warehouse") as cursor:
        for each in loads.unloaded(cursor, world.lake, TABLE, found, made):
            loads.load(cursor, world.lake, TABLE, each, Allowance(1, 0))


def clear(world: World) -> None:
    world.warehouse("drop table if exists stage.products, stage.products_version")
    world.warehouse("delete from etl.stage_batch; delete from etl.stage_load; delete from etl.rejected_row")


# A price that two loads saw is one price.
PRICES = """
select product_id, updated_ts, unit_price::float from (
    select *, lag(unit_price) over (partition by product_id order by updated_ts) as before
    from stage.products_version
) as version where unit_price is distinct from before
"""
ROWS = "select product_id, unit_price, updated_ts from ops.products"
STAGE = "select product_id, unit_price::float, etl_deleted_ts is not null from stage.products"


@given(st.lists(events, min_size=3, max_size=14))
@example([("back up",), ("reprice", 1, 11), ("extract",), ("restore",), ("repair",), ("reprice", 1, 12), ("extract",)])
@example(
    [
        ("extract",),
        ("reprice", 1, 11),
        ("extract",),
        ("quietly", 1, 12),
        ("repair",),
        ("quietly", 1, 11),
        ("repair",),
        ("load elsewhere", 0),
    ]
)
@example([("extract",), ("back up",), ("reprice", 1, 11), ("extract",), ("restore",), ("repair",), ("replay", 2)])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_repairs_win_over_the_extracts_before_them_and_lose_to_those_after(
    two: tuple[World, World], history: list[tuple[Any, ...]]
) -> None:
    lake_url = f"{two[0].lake_url}/{next(_numbers)}"
    one, other = (replace(world, lake_url=lake_url) for world in two)
    clear(one)
    clear(other)
    shop = Shop(one)
    one.source("truncate ops.products cascade")
    for key in KEYS:
        add_product(one, key, 10)
    shop.backup = one.source("select products::text from ops.products")
    for word, *arguments in [*history, ("extract",)]:
        match word:
            case "reprice":
                shop.reprice(*arguments)
            case "quietly":
                one.source("update ops.products set unit_price = %s where product_id = %s", arguments[::-1])
            case "delete":
                one.source("delete from ops.products where product_id = %s", arguments)
            case "back up":
                shop.backup = one.source("select products::text from ops.products")
            case "restore":
                shop.restore()
            case "extract":
                shop.extract()
                load(one, shop.day - 1)
            case "repair" if shop.day > 1:
                shop.repair()
            case "replay" if shop.day > arguments[0]:  # as after ClearDate
                load(one, *arguments)
            case "load elsewhere" if shop.day > 1:
                load(other, shop.day - 1, *arguments)
        if shop.day > 1:
            assert one.rows(STAGE) == {(key, *row) for key, row in shop.expected.items()}
    load(other, shop.day - 1)
    assert (other.rows(STAGE), other.rows(PRICES)) == (one.rows(STAGE), one.rows(PRICES))
    clear(other)  # as a new warehouse finds all of it
    load(other, shop.day - 1)
    assert (other.rows(STAGE), other.rows(PRICES)) == (one.rows(STAGE), one.rows(PRICES))
    newest = "select distinct on (product_id) product_id, unit_price::float from stage.products_version "
    assert one.rows(f"{newest} order by product_id, updated_ts desc") == {
        (key, price) for key, (price, _) in shop.expected.items()
    }
