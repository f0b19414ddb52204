"""Single steps of a load, without Luigi."""

import datetime as dt
from collections.abc import Iterable
from concurrent.futures import Future
from importlib import resources
from typing import Any

from pipeline.catalog import DIMENSIONS, FACTS, SOURCE_TABLES
from pipeline.kernel import locks, postgres
from pipeline.kernel.config import settings
from pipeline.source import bounds, extract, instants, layout
from pipeline.stage import merge
from pipeline.star import dwh, mart, schema
from support.world import World


def create_source(world: World) -> None:
    """Creates the tables of the source contract, empty."""
    _run_in_source(world, "ops")
    let_extraction_read(world)


def let_extraction_read(world: World) -> None:
    """Grants the extracting role the right to read tables that a test has made."""
    _run_in_source(world, "roles")


def _run_in_source(world: World, name: str) -> None:
    world.source(resources.files("pipeline").joinpath(f"generators/{name}.sql").read_text("utf-8"))


def create_warehouse(world: World) -> None:
    """Creates the warehouse like CreateWarehouse, without Luigi."""
    with postgres.transaction(world.warehouse_url, "warehouse") as cursor:
        schema.create(cursor, lost_order_limit=settings().lost_order_limit)


def extract_date(world: World, date: dt.date, tables: Iterable[str] = SOURCE_TABLES) -> None:
    """Writes the extracts of a date, without Luigi."""
    with postgres.session(world.operational_url, "operational", purpose=bounds.PURPOSE) as source:
        bound = bounds.choose(source, world.lake, date, instants.end_of(date), dt.timedelta(0))
        for table in tables:
            extract.extract(source, world.lake, SOURCE_TABLES[table], date, bound, settings())


def load_stages(world: World, date: dt.date, tables: Iterable[str] = SOURCE_TABLES) -> None:
    """Loads the extracts of a date into stage, without markers: extracts that were loaded before are replayed."""
    for name in tables:
        table = SOURCE_TABLES[name]
        found = layout.metadata(world.lake, name, date)
        assert found is not None
        with postgres.transaction(world.warehouse_url, "warehouse") as cursor:
            locks.lock(cursor, f"stage.{table.short}")
            merge.Load(cursor, world.lake, table, found, settings().allowance).run()


def load_dimensions(world: World, *without: str) -> None:
    """Loads the dimensions from stage, except some."""
    for name, dimension in DIMENSIONS.items():
        if name not in without:
            with postgres.transaction(world.warehouse_url, "warehouse") as cursor:
                locks.lock_tables(cursor, f"dwh.{name}")
                dwh.load_dimension(cursor, dimension)


def load_facts(world: World) -> None:
    """Loads the facts from stage and dimensions, and the mart from the facts."""
    for name, fact in FACTS.items():
        with postgres.transaction(world.warehouse_url, "warehouse") as cursor:
            locks.lock_tables(cursor, f"dwh.{name}")
            dwh.load_fact(cursor, fact)
    keep_mart(world)


def load_day(world: World, day: dt.date, *without: str) -> None:
    """Loads a day from the source to the mart, without Luigi; some dimensions may be left out."""
    extract_date(world, day)
    load_extracted(world, day, *without)


def load_extracted(world: World, day: dt.date, *without: str) -> None:
    """Loads the extracts of a date to the mart, without Luigi; some dimensions may be left out."""
    load_stages(world, day)
    load_dimensions(world, *without)
    load_facts(world)


def locks_waited_for(world: World, running: Future[Any]) -> list[Any]:
    """The locks that the warehouse's sessions wait for, as soon as one waits: the table or kind of lock, and its mode.

    Returns any lock, so that a test does not wait for ever for the right one. `running` is the work that should wait;
    fails if it ends first.
    """
    query = "select coalesce(relation::regclass::text, locktype), mode from pg_locks where not granted"
    while not (found := world.warehouse(query)):
        assert not running.done()
    return found


def keep_mart(world: World) -> None:
    """Loads the mart's aggregates from the facts."""
    with postgres.transaction(world.warehouse_url, "warehouse") as cursor:
        mart.keep(cursor, lambda message, percentage: None)
