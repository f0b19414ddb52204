"""A source whose columns change under a load from its log, and change back: no window stops the load."""

from collections.abc import Callable

import pytest
from support.feeds_world import run
from support.log_steps import load, require_same
from support.shop import add_order, add_product, at, insert
from support.world import World

from pipeline.catalog import SOURCE_TABLES
from pipeline.kernel import postgres
from pipeline.kernel.errors import SchemaDrift
from pipeline.stage import repairs
from pipeline.tasks.rebuild import RebuildTable
from pipeline.trust import turns


@pytest.fixture
def loaded(log_shop: World, enter: Callable[[World], World]) -> World:
    """After a load. Tables are compared with the source only when something asks for it."""
    enter(log_shop.where(OCEAN_RECONCILE_DAYS="0"))
    add_product(log_shop, 2, 5)
    load(1)
    require_same(log_shop)
    return log_shop


CHANGE = "update ops.products set name = name || '!' where product_id = 1"
DELETE = "delete from ops.products where product_id = 2"
ADD, DROP = "alter table ops.products add {} text", "alter table ops.products drop {}"
RENAME = "alter table ops.products rename {} to {}"
RETYPE = "alter table ops.{table} alter {name} type {to} using {value}"


def renamed(name: str, happen: str) -> tuple[str, str, str]:
    return RENAME.format(name, "other"), happen, RENAME.format("other", name)


def retyped(name: str, type_: str, happen: str = f"{CHANGE}; {DELETE}") -> tuple[str, str, str]:
    there, back = (RETYPE.format(table="products", name=name, to=to, value=f"{name}::{to}") for to in ("text", type_))
    return there, happen, back


# What is altered, what happens meanwhile, and how it is altered back.
ALTERED = {
    "history": renamed("unit_price", "update ops.products set other = 7"),
    "deletes alone": renamed("unit_price", DELETE),
    "watermark": renamed("updated_ts", CHANGE),
    "key": renamed("product_id", "update ops.products set other = 3 where other = 2"),
    "history as text": retyped("unit_price", "numeric(10, 3)"),
    "watermark as text": retyped("updated_ts", "timestamptz"),
    "key as text": retyped("product_id", "bigint", "update ops.products set name = 'other'"),
    "text key as number": (
        RETYPE.format(table="states", name="state_code", to="integer", value="7"),
        "update ops.states set name = 'other'",
        RETYPE.format(table="states", name="state_code", to="varchar(8)", value="'CA'"),
    ),
    "name of stage's own": (ADD.format("etl_batch"), f"{CHANGE}; {DELETE}", DROP.format("etl_batch")),
    "name of the log's own": (ADD.format("etl_lsn"), f"{CHANGE}; {DELETE}", DROP.format("etl_lsn")),
}
# What refers to the columns that are altered.
REFERRING = (
    "drop view retail.user_purchase",
    "alter table ops.order_lines drop constraint order_lines_product_id_fkey",
    "alter table ops.addresses drop constraint addresses_state_code_fkey",
)


def test_what_happened_while_a_table_had_other_columns_comes_by_a_comparison(loaded: World) -> None:
    for statement in REFERRING:
        loaded.source(statement)
    for day, altered in zip(range(2, 2 + 2 * len(ALTERED), 2), ALTERED.values(), strict=True):
        loaded.source("delete from ops.products where product_id > 1")
        loaded.source("delete from ops.states where state_code <> 'CA'")
        add_product(loaded, 2, 5)
        for statement in altered:
            loaded.source(statement)
        load(day)
        require_same(loaded)
        made = repairs.all_folders(loaded.lake)
        loaded.source(CHANGE)
        insert(loaded, "states", at(day), state_code=f"S{day}", name="Somewhere")
        load(day + 1)
        require_same(loaded)
        assert repairs.all_folders(loaded.lake) == made
    assert run(loaded, RebuildTable(table="ops.products")) is None
    require_same(loaded)


@pytest.mark.parametrize(
    ("alter", "because", "alter_back"),
    [
        (
            RENAME.format("unit_price", "other"),
            "its column unit_price is not there",
            RENAME.format("other", "unit_price"),
        ),
        (ADD.format("etl_batch"), "its column etl_batch is called like a column of stage's", DROP.format("etl_batch")),
    ],
)
def test_a_column_that_stays_unusable_is_named_and_stops_no_other_table(
    loaded: World, alter: str, because: str, alter_back: str
) -> None:
    loaded.source(alter)
    loaded.source(CHANGE)
    insert(loaded, "states", at(2), state_code="NV", name="Nevada")
    for day in (2, 3):
        loaded.warehouse("delete from stage.payment_methods")
        with postgres.transaction(loaded.warehouse_url, "tests") as cursor:
            turns.owe(cursor, turns.COMPARISON, SOURCE_TABLES)
        with pytest.raises(SchemaDrift, match=because):
            load(day)
        assert loaded.warehouse("select payment_method_id from stage.payment_methods") == [(1,)]
    assert loaded.rows("select state_code from stage.states") == {("CA",), ("NV",)}
    loaded.source(alter_back)
    load(4)
    require_same(loaded)


@pytest.mark.parametrize("name", ["etl_lsn", "gone_ts"])
def test_a_column_with_a_name_that_our_statements_use_is_mirrored(loaded: World, name: str) -> None:
    loaded.source(ADD.format(name))
    for day in (2, 3):
        loaded.source(f"{CHANGE}; update ops.products set {name} = {day}")
        load(day)
        require_same(loaded)


def test_a_row_without_a_key_is_rejected_by_name_and_loaded_once_it_has_one(
    loaded: World, enter: Callable[[World], World]
) -> None:
    enter(loaded.where(OCEAN_RECONCILE_DAYS="0", OCEAN_MAX_REJECTED="1"))
    loaded.source("alter table ops.order_lines drop constraint order_lines_pkey, alter order_id drop not null")
    loaded.source("alter table ops.order_lines replica identity full")
    add_order(loaded, 1, at(2), 1, 2)
    loaded.source("update ops.order_lines set order_id = null where line_number = 2")
    load(2)
    rejected = "select source, reason from etl.rejected_row"
    assert loaded.warehouse(rejected) == [("ops.order_lines", "order_id is missing")]
    loaded.source("update ops.order_lines set order_id = 1 where order_id is null")
    load(3)
    require_same(loaded)
