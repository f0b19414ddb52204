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
    """The tables of the source contract, empty."""
    _run_in_source(world, "ops")
    let_extraction_read(world)


def let_extraction_read(world: World) -> None:
    """Grants the role that extracts what the owner of a source has made by hand."""
    _run_in_source(world, "roles")


def _run_in_source(world: World, name: str) -> None:
    world.source(resources.files("pipeline").joinpath(f"generators/{name}.sql").read_text("utf-8"))


def create_warehouse(world: World) -> None:
    """The warehouse as CreateWarehouse leaves it, without Luigi."""
    with postgres.transaction(world.warehouse_url, "warehouse") as cursor:
        schema.create(cursor, lost_order_limit=settings().lost_order_limit)


def extract_date(world: World, date: dt.date, tables: Iterable[str] = SOURCE_TABLES) -> None:
    """The extracts of a date, without Luigi."""
    with postgres.session(world.operational_url, "operational", purpose=bounds.PURPOSE) as source:
        bound = bounds.choose(source, world.lake, date, instants.end_of(date), dt.timedelta(0))
        for table in tables:
            extract.extract(source, world.lake, SOURCE_TABLES[table], date, bound, settings())


def load_stages(world: World, date: dt.date, tables: Iterable[str] = SOURCE_TABLES) -> None:
    """Loads the extracts of a date into stage, without markers: what was loaded before is replayed."""
    for name in tables:
        table = SOURCE_TABLES[name]
        found = layout.metadata(world.lake, name, date)
        assert found is not None
        with postgres.transaction(world.warehouse_url, "warehouse") as cursor:
            locks.lock(cursor, f"stage.{table.short}")
            merge.Load(cursor, world.lake, table, found, settings().allowance).run()


def load_dimensions(world: World, *without: str) -> None:
    """Brings the dimensions up to date with stage, but for some."""
    for name, dimension in DIMENSIONS.items():
        if name not in without:
            with postgres.transaction(world.warehouse_url, "warehouse") as cursor:
                locks.lock_tables(cursor, f"dwh.{name}")
                dwh.load_dimension(cursor, dimension)


def load_facts(world: World) -> None:
    """Brings the facts up to date with stage and dimensions, and the mart with the facts."""
    for name, fact in FACTS.items():
        with postgres.transaction(world.warehouse_url, "warehouse") as cursor:
            locks.lock_tables(cursor, f"dwh.{name}")
            dwh.load_fact(cursor, fact)
    keep_mart(world)


def load_day(world: World, day: dt.date, *without: str) -> None:
    """A day from the source to the mart, without Luigi; some dimensions may be left out."""
    extract_date(world, day)
    load_extracted(world, day, *without)


def load_extracted(world: World, day: dt.date, *without: str) -> None:
    """The extracts of a date to the mart, without Luigi; some dimensions may be left out."""
    load_stages(world, day)
    load_dimensions(world, *without)
    load_facts(world)


def locks_waited_for(world: World, running: Future[None]) -> list[Any]:
    """What the warehouse's sessions wait for, as soon as one does: the table or kind of lock, and its mode.

    Whatever it is, lest a test wait for ever for the right one. `running` is the work that is to wait; its end fails.
    """
    query = "select coalesce(relation::regclass::text, locktype), mode from pg_locks where not granted"
    while not (found := world.warehouse(query)):
        assert not running.done()
    return found


def keep_mart(world: World) -> None:
    """Brings the mart's aggregates up to date with the facts."""
    with postgres.transaction(world.warehouse_url, "warehouse") as cursor:
        mart.keep(cursor, lambda message, percentage: None)
