"""Steps of a load from the source's log in the test's own process, without dwh, and that stage is as the source."""

import datetime as dt
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from pipeline.catalog import SOURCE_TABLES
from pipeline.kernel import postgres
from pipeline.source import source_clock
from pipeline.tasks import extract_table, load_table
from pipeline.tasks.copy_source import CopySource
from pipeline.tasks.extract_table import ChooseBound, ExtractLog
from pipeline.tasks.load_table import LoadStage
from pipeline.tasks.reconcile_source import ReconcileSource
from pipeline.tasks.runtime import targets, under_way
from support.databases import database_of, run, source_admin_url
from support.shop import at, date
from support.world import World

COLUMNS = """
select attname::text from pg_attribute
where attrelid = %s::regclass and attnum > 0 and not attisdropped order by attname
"""


@contextmanager
def clock(day: int) -> Iterator[dt.date]:
    """The evening of a day, at which this process sees the source's clock and none of what it knew before."""
    extract_table.window_of.cache_clear()
    load_table._loads_changes.cache_clear()
    load_table._repairs.cache_clear()
    under_way.forget()
    targets.forget()  # another world's lake had the same keys
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source_clock, "now", lambda _: at(day, 20))
        yield date(day)
    under_way.forget()


def extract(day: int) -> None:
    """Brings the first copies, and the log up to the evening of a day, to the lake."""
    with clock(day) as found:
        for task in (CopySource(found), ChooseBound(found), ExtractLog(found)):
            if not task.complete():
                task.run()


def load(day: int) -> None:
    """Brings stage up to the evening of a day: the tables that are owed a comparison get it, as in a load."""
    extract(day)
    with clock(day) as found:
        for table in SOURCE_TABLES:
            LoadStage(found, table).run()
        ReconcileSource(found, repair=True, in_turn=True).run()


def require_same(world: World) -> None:
    """Returns if stage is what the source is, row by row."""
    for table in SOURCE_TABLES.values():
        names = ", ".join(f'"{name}"' for (name,) in run(world.simulator_url, COLUMNS, (table.name,)))
        source = world.source(f"select {names} from {table.name}")
        stage = world.warehouse(f"select {names} from stage.{table.short} where etl_deleted_ts is null")
        assert sorted(source, key=str) == sorted(stage, key=str), table.name


def admin(world: World, *statements: str) -> None:
    """Runs statements in the source as the administrator of its server."""
    url = source_admin_url(world.home).removesuffix("/postgres") + f"/{database_of(world.operational_url)}"
    with closing(postgres.connect(url, "tests", autocommit=True)) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def slot_of(world: World) -> str:
    """The name of a world's slot."""
    return world.more["OCEAN_LOG_SLOT"]
