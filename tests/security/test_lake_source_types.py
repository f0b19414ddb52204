"""What a source may call and hold: types that mean nothing elsewhere stop no load, and no name is a statement."""

from collections.abc import Iterator

import pytest
from lake_attacks import SQL, got_in
from support.feeds_world import settings_of
from support.loads import create_warehouse, extract_date, load_stages
from support.shop import at, date, open_shop, update
from support.world import World, Worlds

from pipeline.source import layout
from pipeline.source.columns import fits

SUPPLIERS = "ops.suppliers"
HOSTILE = f"\"; {SQL} \n\x1b[31m'$$"
# Columns that a source may have and no warehouse can: with what they hold, as text.
COLUMNS = {
    "a_class": ("regclass", "pg_class"),
    "a_type": ("regtype", "integer"),
    "types": ("regtype[]", "{integer,text}"),
    "a_schema": ("regnamespace", "ops"),
    "an_item": ("aclitem", "ocean=r/ocean"),
    "items": ("aclitem[]", "{ocean=r/ocean}"),
}
# Columns that were taken as they are before, and still are.
AS_BEFORE = {
    "a_char": ('"char"', "x"),
    "a_name": ("name", "kelp"),
    "an_oid": ("oid", "42"),
    "a_range": ("int4range", "[1,5)"),
    "a_span": ("interval day to second(3)", "1 day 02:03:04"),
    "a_time": ("timestamp(3) without time zone", "2026-01-01 08:00:00"),
    "a_number": ("numeric(10,-2)", "1200"),
    "numbers": ("bigint[]", "{1,2}"),
    "bits": ("bit varying(5)", "101"),
    "an_address": ("inet", "10.0.0.1/32"),
}


@pytest.fixture
def shop(worlds: Worlds) -> Iterator[World]:
    world = worlds.new()
    open_shop(world)
    with settings_of(world):
        create_warehouse(world)
        yield world


def add(world: World, columns: dict[str, tuple[str, str]]) -> None:
    for name, (type_, value) in columns.items():
        world.source(f"alter table {SUPPLIERS} add {name} {type_} default '{value}'")


def load(world: World, day: int) -> None:
    extract_date(world, date(day), [SUPPLIERS])
    load_stages(world, date(day), [SUPPLIERS])


def types_of_stage(world: World) -> dict[str, str]:
    return dict(
        world.warehouse(
            "select attname, format_type(atttypid, atttypmod) from pg_attribute "
            "where attrelid = 'stage.suppliers'::regclass and attnum > 0"
        )
    )


def test_types_that_mean_nothing_elsewhere_are_loaded_as_text_and_all_others_as_before(shop: World) -> None:
    add(shop, COLUMNS | AS_BEFORE)
    load(shop, 1)
    types = types_of_stage(shop)
    assert {name: types[name] for name in COLUMNS} == dict.fromkeys(COLUMNS, "text")
    assert {name: types[name] for name in AS_BEFORE} == {name: type_ for name, (type_, _) in AS_BEFORE.items()}
    for name, (_, value) in (COLUMNS | AS_BEFORE).items():
        assert shop.rows(f"select {name}::text from stage.suppliers") == {(value,)}, name


def test_a_column_of_stage_that_an_earlier_version_made_of_such_a_type_becomes_text(shop: World) -> None:
    load(shop, 1)
    shop.warehouse("alter table stage.suppliers add a_type regtype default 'integer'")
    shop.source(f"alter table {SUPPLIERS} add a_type regtype default 'text'")
    update(shop, "suppliers", {"supplier_id": 1}, at(2), name="Kelp & Sons")
    load(shop, 2)
    assert types_of_stage(shop)["a_type"] == "text"
    assert shop.rows("select supplier_id, a_type from stage.suppliers") == {(1, "text"), (2, "integer")}
    assert fits("regtype", "text")
    assert not fits("integer", "text")


def test_names_comments_and_texts_of_the_source_are_no_statements(shop: World) -> None:
    quoted = (HOSTILE[:60]).replace('"', '""')
    with_comment = "comment on column ops.suppliers.name is %s"
    shop.source(f'alter table {SUPPLIERS} add "{quoted}" text default %s', (SQL,))
    shop.source(with_comment, (SQL,))
    update(shop, "suppliers", {"supplier_id": 1}, at(1), name=SQL)
    load(shop, 1)
    found = layout.metadata(shop.lake, SUPPLIERS, date(1))
    assert found is not None
    assert found.columns[-1].name == HOSTILE[:60]
    assert types_of_stage(shop)[HOSTILE[:60]] == "text"
    assert shop.rows("select name from stage.suppliers where supplier_id = 1") == {(SQL,)}
    assert not got_in(shop)
