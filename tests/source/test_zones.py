"""Times without a zone: taken for those of the zone that a setting names, and for UTC with a warning without it."""

import datetime as dt
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from support.feeds_world import run, settings_of
from support.loads import create_warehouse, extract_date, load_stages
from support.shop import at, date, insert, open_shop
from support.world import World, Worlds

from pipeline.catalog import SOURCE_TABLES
from pipeline.kernel import config, postgres
from pipeline.kernel.errors import ConfigError
from pipeline.source import zones
from pipeline.source.columns import read_columns
from pipeline.tasks.extract_table import ChooseBound, ExtractTable
from pipeline.trust.reconcile import compare

TABLE = SOURCE_TABLES["ops.suppliers"]
LOCAL = """
alter table ops.suppliers
alter column updated_ts type timestamp(3) using updated_ts at time zone 'America/New_York',
alter column created_ts type timestamp using created_ts at time zone 'America/New_York'
"""
NEW_YORK = ZoneInfo("America/New_York")
STAGE = "select updated_ts::text, created_ts::text from stage.suppliers where supplier_id = 3"


@pytest.fixture
def world(worlds: Worlds) -> World:
    """A shop whose suppliers have times without a zone, as the clocks of New York show them."""
    found = worlds.new()
    open_shop(found)
    found.source(LOCAL)
    return found


def load(world: World, day: int) -> None:
    with settings_of(world):
        extract_date(world, date(day), [TABLE.name])
        load_stages(world, date(day), [TABLE.name])


def test_rows_with_local_times_are_in_the_next_window_and_in_stage_in_utc(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGTZ", "Asia/Tokyo")
    there = world.where(OCEAN_SOURCE_ZONE="America/New_York")
    with settings_of(there):
        create_warehouse(there)
    load(there, 1)
    # Two hours after the end of the first window; the clock in New York shows an hour of the day before.
    written = at(2, 2)
    local = written.astimezone(NEW_YORK).replace(tzinfo=None)
    insert(world, "suppliers", local, supplier_id=3, name="Reef", country="UK")
    load(there, 2)
    assert there.warehouse(STAGE) == [("2026-01-02 02:00:00", "2026-01-02 02:00:00")]
    with (
        postgres.session(there.operational_url, "operational") as source,
        postgres.transaction(there.warehouse_url, "warehouse") as warehouse,
    ):
        assert compare(source, warehouse, TABLE, "America/New_York").is_same_in_stage
        # What came after the second window is no difference.
        insert(world, "suppliers", local + dt.timedelta(days=1), supplier_id=4, name="Rift", country="UK")
        assert compare(source, warehouse, TABLE, "America/New_York").is_same_in_stage


def test_no_row_falls_between_two_windows_when_the_clocks_are_set_back(world: World) -> None:
    begin = dt.datetime(2026, 10, 31, 20, tzinfo=dt.UTC)  # the clocks are set back on 1 November, at 6:00 UTC
    written = [begin + dt.timedelta(minutes=15 * number) for number in range(96)]
    ends = [begin + dt.timedelta(minutes=35 * number) for number in range(-1, 90)]
    seen: set[int] = set()
    with (
        postgres.session(world.operational_url, "operational") as source,
        postgres.session(world.simulator_url, "tests") as shop,
    ):
        shop.execute("delete from ops.suppliers where supplier_id > 2")
        columns = read_columns(source, TABLE)
        left = list(enumerate(written, 100))
        for first, last in pairwise(ends):
            while left and left[0][1] < last:
                number, moment = left.pop(0)
                local = moment.astimezone(NEW_YORK).replace(tzinfo=None)
                shop.execute(
                    "insert into ops.suppliers (supplier_id, name, country, updated_ts) values (%s, 'Reef', 'UK', %s)",
                    (number, local),
                )
            span = [zones.end(TABLE, columns, each.isoformat(), "America/New_York") for each in (first, last)]
            query = "select supplier_id from ops.suppliers where updated_ts >= {} and updated_ts < {}"
            seen |= {number for (number,) in postgres.rows(source, postgres.sql.SQL(query).format(*span))}
    assert seen == set(range(100, 196))


def test_the_first_extract_warns_of_a_watermark_without_a_zone_and_names_the_setting(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    with settings_of(world):
        create_warehouse(world)

    def warnings(where: World, day: int, table: str = TABLE.name) -> list[str]:
        caplog.clear()
        run(where, ChooseBound(date(day)))
        run(where, ExtractTable(date(day), table))
        return [record.message for record in caplog.records if "OCEAN_SOURCE_ZONE" in record.message]

    [warning] = warnings(world, 1)
    assert "updated_ts of ops.suppliers has no time zone and is taken for UTC" in warning
    assert warnings(world, 1, "ops.states") == []
    assert warnings(world, 2) == []
    aware = world.where(OCEAN_SOURCE_ZONE="UTC", LAKE_URL=f"{world.lake_url}/other")
    assert warnings(aware, 1) == []


def test_a_zone_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCEAN_SOURCE_ZONE", "Lisbon time")
    config.settings.cache_clear()
    with pytest.raises(
        ConfigError, match="cannot use the setting source_zone = 'Lisbon time', because it is not the name"
    ):
        config.settings()
    config.settings.cache_clear()


def test_variables_of_libpq_change_no_session(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGTZ", "Asia/Tokyo")
    monkeypatch.setenv("PGDATESTYLE", "German")
    connection = postgres.connect(world.warehouse_url, "tests")
    with connection.cursor() as cursor:
        found = postgres.rows(cursor, "select current_setting('timezone'), current_setting('datestyle')")
    connection.close()
    assert found == [("UTC", "ISO, MDY")]
