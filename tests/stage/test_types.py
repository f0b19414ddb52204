"""Columns of the source that become of another type: no load stops, also not one of all extracts again."""

import logging

import pytest
from support.feeds_world import run
from support.loads import extract_date, load_dimensions, load_stages
from support.shop import OPENING, at, date, insert, update
from support.world import World

from pipeline.catalog import SOURCE_TABLES
from pipeline.kernel import postgres
from pipeline.kernel.errors import SchemaDrift
from pipeline.source.columns import Column
from pipeline.stage.drift import held_as
from pipeline.tasks.rebuild import RebuildTable
from pipeline.trust.reconcile import compare

# A column that nobody reads: its type and value, its later type and value, and the two values as stage shows them.
UNUSED = {
    "document": ("json", '{"a":1}', "jsonb", '{"b":2}', '{"a":1}', '{"b": 2}'),
    "weight": ("numeric(6,2)", "1.50", "numeric(6,4)", "2.5000", "1.50", "2.5000"),
    "narrower": ("numeric(6,4)", "1.5000", "numeric(6,3)", "2.500", "1.5000", "2.500"),
    "reference": ("regclass", "pg_class", "integer", "7", "pg_class", "7"),
    "external": ("uuid", "00000000-0000-0000-0000-000000000001", "bigint", "8", None, "8"),
    "tags": ("text[]", '{a,"b c"}', "boolean", "true", '{a,"b c"}', "true"),
    "seen": ("timestamptz", "2026-01-01 10:00:00+00", "date", "2026-01-02", "2026-01-01 10:00:00+00", "2026-01-02"),
    "note": ("text", "old", "bytea", "\\x6e6577", "old", "\\x6e6577"),
    "count": ("double precision", "1.5", "interval", "01:00:00", "1.5", "01:00:00"),
}
NAMES = ", ".join(f'"{name}"::text' for name in UNUSED)


def load(world: World, day: int, *tables: str) -> None:
    extract_date(world, date(day), tables)
    load_stages(world, date(day), tables)


def is_same(world: World, *tables: str) -> bool:
    """Whether a comparison finds the same in source and stage."""
    with (
        postgres.session(world.operational_url, "operational") as source,
        postgres.session(world.warehouse_url, "warehouse") as warehouse,
    ):
        return all(compare(source, warehouse, SOURCE_TABLES[table]).is_same_in_stage for table in tables)


def test_a_column_that_nobody_reads_may_become_of_any_type(shop: World, caplog: pytest.LogCaptureFixture) -> None:
    table = "ops.suppliers"
    for name, (type_, value, *_) in UNUSED.items():
        shop.source(f'alter table {table} add "{name}" {type_} default %s', (value,))
    load(shop, 1, table)
    changes = [f'drop "{name}", add "{name}" {type_}' for name, (_, _, type_, *_) in UNUSED.items()]
    shop.source(f"alter table {table} {', '.join(changes)}, alter created_ts type text")
    new = {name: value for name, (_, _, _, value, *_) in UNUSED.items()}
    insert(shop, "suppliers", at(2), supplier_id=3, name="New", country="Peru")
    update(shop, "suppliers", {"supplier_id": 3}, at(2), **{f'"{name}"': value for name, value in new.items()})
    with caplog.at_level(logging.WARNING, "luigi-interface"):
        load(shop, 2, table)
        update(shop, "suppliers", {"supplier_id": 3}, at(3), name="Newer")
        load(shop, 3, table)
    before = tuple(shown or value for _, value, _, _, shown, _ in UNUSED.values())
    after = tuple(shown for *_, shown in UNUSED.values())
    rows = {(2, "Coral Ltd", *before), (3, "Newer", *after)}
    shown = f"select supplier_id, name, {NAMES} from stage.suppliers where supplier_id > 1"
    assert shop.rows(shown) == rows
    kept = UNUSED.keys() - {"weight", "narrower"}
    assert {name for (name,) in shop.warehouse("select column_name from etl.text_column")} == kept
    said = [record.getMessage() for record in caplog.records if "keeps the column" in record.getMessage()]
    assert sorted(said) == sorted(set(said))
    assert len(said) == len(kept)

    assert run(shop, RebuildTable(table=table)) is None
    assert shop.rows(shown) == rows
    update(shop, "suppliers", {"supplier_id": 3}, at(4), name="Newest")
    load(shop, 4, table)
    assert shop.rows("select name from stage.suppliers where supplier_id = 3") == {("Newest",)}


def test_what_nobody_reads_and_is_kept_as_text_is_not_compared(shop: World) -> None:
    shop.source("alter table ops.suppliers add document json default '{\"a\":1}', add weight numeric(6,4) default 1.5")
    shop.source("alter table ops.suppliers add height numeric(6,4) default 1.5")
    load(shop, 1, "ops.suppliers")
    shop.source("alter table ops.suppliers alter document type jsonb, alter weight type numeric(6,2)")
    shop.source("alter table ops.suppliers alter height type numeric(5,3)")
    insert(shop, "suppliers", at(2), supplier_id=3, name="New", country="Peru")
    load(shop, 2, "ops.suppliers")
    assert is_same(shop, "ops.suppliers")
    shop.source("update ops.suppliers set weight = 3 where supplier_id = 1")
    assert not is_same(shop, "ops.suppliers")


def test_a_column_that_is_read_becomes_of_a_type_that_holds_both_in_stage_and_its_history(shop: World) -> None:
    tables = ("ops.products", "ops.customers")
    shop.source("drop view retail.user_purchase")
    load(shop, 1, *tables)
    shop.source("update ops.products set sku = '17'")
    shop.source(
        "alter table ops.products alter unit_price type numeric(12,2), alter sku type integer using sku::integer, "
        "alter updated_ts type timestamp using updated_ts at time zone 'UTC'"
    )
    shop.source("alter table ops.customers alter birth_date type timestamptz, alter phone type bigint using 5")
    update(shop, "products", {"product_id": 1}, at(2).replace(tzinfo=None), unit_price="9876543210.25")
    update(shop, "customers", {"customer_id": 1}, at(2), birth_date="1990-05-06 00:00:00+00")
    load(shop, 2, *tables)
    stage = "select sku, unit_price::text, updated_ts from stage.products"
    history = "select unit_price::float, updated_ts from stage.products_version"
    prices = {(10.0, OPENING), (9876543210.25, at(2))}
    assert shop.rows(stage) == {("17", "9876543210.25", at(2))}
    assert shop.rows(history) == prices
    assert is_same(shop, *tables)

    for table in tables:
        assert run(shop, RebuildTable(table=table)) is None
    assert shop.rows(stage) == {("17", "9876543210.25", at(2))}
    assert shop.rows(history) == prices
    update(shop, "products", {"product_id": 1}, at(3).replace(tzinfo=None), unit_price="11.5")
    load(shop, 3, *tables)
    assert shop.rows(history) == {*prices, (11.5, at(3))}
    assert is_same(shop, *tables)
    for table in ("suppliers", "product_subtypes", "product_types", "addresses", "states", "orders", "payment_methods"):
        load(shop, 3, f"ops.{table}")
    load(shop, 3, "ops.order_statuses", "ops.order_lines")
    load_dimensions(shop)
    assert shop.rows("select sku, unit_price::float from dwh.dim_product where is_current and product_id = 1") == {
        ("17", 11.5)
    }
    assert shop.rows("select birth_date::text, phone from dwh.dim_customer where customer_id = 1") == {
        ("1990-05-06", "5")
    }


def test_a_type_that_only_an_extract_of_an_earlier_version_has_is_refused_by_both_types() -> None:
    because = "load stage.orders, because column ordered_ts changed from timestamp with time zone to text; "
    with pytest.raises(SchemaDrift, match=because):
        held_as(SOURCE_TABLES["ops.orders"], "stage.orders", Column("ordered_ts", "text"), "timestamp with time zone")
