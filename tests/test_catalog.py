"""What lists tables by name lists all that the catalogue has, so that none is forgotten silently."""

import re
from collections.abc import Iterator

import luigi
import pytest
from support import shop
from support.checksum import CONTENTS
from support.comments import comments
from support.loads import create_source
from support.world import World, Worlds

import pipeline
from pipeline.catalog import (
    DIMENSIONS,
    FACTS,
    FEEDS,
    LAYERS,
    SOURCE_TABLES,
    TASKS,
    VENDOR_FEEDS,
    Dimension,
    Fact,
    Moves,
    SourceTable,
)
from pipeline.generators.copying import COLUMNS
from pipeline.kernel import sql_files, writes
from pipeline.tasks.load_table import feed_task

STAR: list[Dimension | Fact] = [*DIMENSIONS.values(), *FACTS.values()]


@pytest.fixture(scope="module")
def empty(worlds: Worlds) -> World:
    """An empty source and an empty warehouse."""
    world = worlds.new()
    create_source(world)
    world.luigi("CreateWarehouse")
    return world


def tasks_of_layers() -> Iterator[type[luigi.Task]]:
    """The tasks that move rows into a layer."""
    for name in pipeline.__all__:
        task = getattr(pipeline, name)
        if getattr(task, "layer", None) in LAYERS:
            yield task


def columns(world: World, table: str) -> list[str]:
    return [name for (name,) in world.warehouse(writes.COLUMNS, (table,))]


@pytest.mark.parametrize("target", STAR, ids=lambda target: target.name)
def test_a_table_of_the_star_has_its_files_its_key_and_what_is_compared(empty: World, target: Dimension | Fact) -> None:
    folder = "dimension" if isinstance(target, Dimension) else "fact"
    assert f"work/{folder}/{target.name}" in sql_files.files(f"work/{folder}")
    held = {*columns(empty, f"dwh.{target.name}"), target.key[0]}
    assert held >= {*target.key, *target.compared}
    assert set(target.sources) <= {table.short for table in SOURCE_TABLES.values()} | set(FEEDS)
    if isinstance(target, Dimension):
        assert held >= {*target.versions_of}
        key = f"{target.name.removeprefix('dim_')}_key"
        unknown = f"select count(*) from dwh.{target.name} where {key} = -1"
        assert empty.warehouse(unknown) == [(1,)]


@pytest.mark.parametrize("fact", FACTS.values(), ids=lambda fact: fact.name)
def test_a_check_looks_each_key_of_a_fact_up(empty: World, fact: Fact) -> None:
    checks = [sql_files.read(path) for path in sql_files.files("checks") if "/keys_of_" in path]
    [check] = [text for text in checks if f"from :{fact.name} as fact" in text]
    keys = {name for name in columns(empty, f"dwh.{fact.name}") if name.endswith("_key")}
    assert {key for key in keys if f"fact.{key}" in check} == keys
    assert set(re.findall(r"dwh\.(dim_\w+)", check)) == set(fact.dimensions)


@pytest.mark.parametrize("fact", FACTS.values(), ids=lambda fact: fact.name)
def test_a_fact_says_what_it_waits_for(fact: Fact) -> None:
    missing = sql_files.read(f"work/queue/{fact.name}_missing")
    assert set(re.findall(r"'(dim_\w+)'", missing)) == set(fact.dimensions)


def test_the_catalogue_knows_what_each_task_moves_rows_to() -> None:
    named_by_parameter = {"table", "feed"}
    moves = {
        task.task_family: Moves(
            task.layer, "" if named_by_parameter & set(dict(task.get_params())) else task(date=shop.date(1)).table
        )
        for task in tasks_of_layers()
    }
    assert moves == TASKS


def test_each_feed_has_a_key_a_merge_and_a_task_that_loads_it(empty: World) -> None:
    assert {path.removeprefix("work/stage/") for path in sql_files.files("work/stage")} >= set(FEEDS)
    for feed, key in FEEDS.items():
        assert set(key) <= set(columns(empty, f"stage.{feed}"))
    loaded = {name for name in VENDOR_FEEDS if feed_task(name, shop.date(1)).table == name}
    assert loaded | {"risk_score"} == set(FEEDS)


def test_the_checksum_of_a_warehouse_compares_every_table_of_the_star() -> None:
    assert set(CONTENTS) >= {target.name for target in STAR}


@pytest.mark.parametrize("source", SOURCE_TABLES.values(), ids=lambda source: source.name)
def test_the_simulated_shop_has_the_columns_of_the_contract_and_fills_them(empty: World, source: SourceTable) -> None:
    [(held,)] = empty.source(
        "select array_agg(attname::text) from pg_attribute "
        "where attrelid = %s::regclass and attnum > 0 and not attisdropped",
        (source.name,),
    )
    assert set(held) == set(COLUMNS[source.name])
    assert set(held) >= set(source.columns)


@pytest.mark.parametrize(("schema", "columns"), [("ops", 60), ("retail", 8), ("simulator", 11)])
def test_every_table_and_column_of_the_simulated_shop_says_what_it_is(empty: World, schema: str, columns: int) -> None:
    found = comments(empty.source, schema)
    assert [each for each, said in found.items() if not said] == []
    assert len(found) > columns


@pytest.mark.parametrize("fact", FACTS.values(), ids=lambda fact: fact.name)
def test_who_may_read_a_fact_was_decided(fact: Fact) -> None:
    roles = sql_files.read("ddl/50_roles")
    assert f"dwh.{fact.name}" in roles


def test_every_table_of_dwh_is_one_of_the_catalogue(empty: World) -> None:
    tables = "select relname from pg_class where relnamespace = 'dwh'::regnamespace and relkind = 'r'"
    others = {"user_behavior_metric"}  # which LoadUserBehavior keeps
    assert {name for (name,) in empty.warehouse(tables)} == {target.name for target in STAR} | others
