"""A warehouse of an earlier version is upgraded in place: it then is what a new one is, and goes on as that does."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support import shop
from support.databases import admin_url, login, run
from support.loads import create_warehouse, locks_waited_for
from support.world import World, Worlds

from pipeline.kernel import locks, postgres, sql_files
from pipeline.kernel.errors import CannotUpgrade, DatabaseError
from pipeline.star import schema

FIRST_VERSION, SECOND_VERSION = (
    Path(__file__).with_name(f"{name}_version.sql").read_text("utf-8") for name in ("first", "second")
)
LIMIT: dict[str, Any] = {"lost_order_limit": 0.05}
TASK_FAILED = 30

# What a database is made of, but for the order of columns: new ones come last. Indexes of stage name the first batch.
CATALOG = """
with relation as (
    select oid, oid::regclass::text as name, relkind, relnamespace::regnamespace::text as schema
    from pg_class where relnamespace::regnamespace::text in ('stage', 'dwh', 'mart', 'etl', 'analyst')
)
select name, relkind::text, obj_description(oid, 'pg_class') from relation where relkind in ('r', 'v', 'S')
union all
select name, attname::text, concat_ws(
    ' ', format_type(atttypid, atttypmod), attnotnull, attidentity, pg_get_expr(adbin, adrelid),
    col_description(oid, attnum)
)
from relation
inner join pg_attribute on attrelid = oid and attnum > 0 and not attisdropped
left join (select adrelid, adnum, adbin from pg_attrdef) as preset on adrelid = attrelid and adnum = attnum
where relkind in ('r', 'v')
union all
select name, conname::text, pg_get_constraintdef(pg_constraint.oid)
from relation inner join pg_constraint on conrelid = relation.oid
union all
select name, 'index', pg_get_indexdef(oid) from relation where relkind = 'i' and schema <> 'stage'
union all
select name, 'view', pg_get_viewdef(oid) from relation where relkind = 'v'
"""
MIGRATIONS = "select number, name, is_applied from etl.migration order by number"


def trade_of_the_first_day(world: World) -> None:
    shop.open_shop(world)
    shop.add_product(world, 2, 5)
    grace = {"first_name": "Grace", "last_name": "Hopper", "email": "grace@example.com", "registered_on": shop.date(1)}
    shop.insert(world, "customers", shop.at(1), customer_id=2, **grace)
    shop.add_order(world, 1, shop.at(1), 1, 2)
    shop.add_order(world, 2, shop.at(1), 2, price=5, customer_id=2, order_status_id=2)


def trade_of_the_second_day(world: World) -> None:
    shop.update(world, "products", {"product_id": 1}, shop.at(2), unit_price=12)
    shop.add_order(world, 3, shop.at(2, 13), 1, price=12)
    shop.update(world, "orders", {"order_id": 1}, shop.at(2), delivered_ts=shop.at(2))


def trade_of_the_third_day(world: World) -> None:
    shop.update(world, "products", {"product_id": 2}, shop.at(3), unit_price=6)
    shop.update(world, "orders", {"order_id": 3}, shop.at(3), order_status_id=2)
    shop.add_order(world, 4, shop.at(3, 14), 1, 2, price=6, customer_id=2)


@pytest.fixture
def old(world: World) -> World:
    """A database with what the first version left in it."""
    world.warehouse(FIRST_VERSION)
    return world


@pytest.mark.parametrize(
    ("dump", "migrates"), [(FIRST_VERSION, True), (SECOND_VERSION, False)], ids=["first", "second"]
)
def test_a_warehouse_of_an_earlier_version_goes_on_as_if_this_one_had_loaded_it_all(
    services_home: Path, dump: str, migrates: bool
) -> None:
    worlds = Worlds(services_home, "upgrade_of_the_first" if migrates else "upgrade_of_the_second")
    fresh = worlds.new()
    trade_of_the_first_day(fresh)
    fresh.load(shop.date(1))
    trade_of_the_second_day(fresh)
    fresh.load(shop.date(2))
    upgraded = worlds.copy_lake(fresh)
    upgraded.warehouse(dump)
    trade_of_the_third_day(fresh)
    output = upgraded.load(shop.date(3))
    fresh.load(shop.date(3))
    assert ("upgraded the warehouse: 0001_" in output) == migrates
    assert upgraded.checksum() == fresh.checksum()
    assert upgraded.rows(CATALOG) == fresh.rows(CATALOG)
    worlds.drop()


def test_each_migration_runs_once_and_is_recorded(old: World) -> None:
    files = [path.removeprefix("migrations/") for path in sql_files.files("migrations")]
    with postgres.transaction(old.warehouse_url, "warehouse") as cursor:
        assert schema.create(cursor, **LIMIT) == files
        assert schema.create(cursor, **LIMIT) == []
    assert old.warehouse(MIGRATIONS) == [(number, name, True) for number, name in enumerate(files, 1)]


def test_a_new_warehouse_needs_no_migration(world: World) -> None:
    create_warehouse(world)
    files = [path.removeprefix("migrations/") for path in sql_files.files("migrations")]
    assert world.warehouse(MIGRATIONS) == [(number, name, False) for number, name in enumerate(files, 1)]


def test_an_upgrade_beside_a_load_waits_without_keeping_what_the_load_needs_next(world: World) -> None:
    create_warehouse(world)
    with ThreadPoolExecutor() as threads:
        with postgres.transaction(world.warehouse_url, "warehouse") as load:
            locks.lock_tables(load, "dwh.fact_order_line")
            upgrade = threads.submit(create_warehouse, world)
            assert locks_waited_for(world, upgrade) == [("dwh.fact_order_line", "ShareRowExclusiveLock")]
            locks.lock_tables(load, "dwh.fact_order")
        upgrade.result()


def test_a_migration_that_fails_leaves_the_warehouse_of_before(old: World) -> None:
    before = old.rows(CATALOG)
    old.warehouse("create view mart.of_somebody_else as select * from mart.kpi_monthly")
    with pytest.raises(DatabaseError, match="2BP01"), postgres.transaction(old.warehouse_url, "warehouse") as cursor:
        schema.create(cursor, **LIMIT)
    old.warehouse("drop view mart.of_somebody_else")
    assert old.rows(CATALOG) == before


def test_a_warehouse_of_a_later_version_is_refused(world: World) -> None:
    world.luigi("CreateWarehouse")
    world.warehouse("insert into etl.migration values (9999, '9999_from_the_future', '', true)")
    world.warehouse("delete from etl.marker")  # as a command of another version finds none of its own
    output = world.luigi("CreateWarehouse", expect=TASK_FAILED)
    assert "cannot use the warehouse, because a later version, which has the migration 9999_from_the_future" in output


def test_a_migration_that_was_changed_after_it_ran_is_refused(world: World) -> None:
    create_warehouse(world)
    world.warehouse("update etl.migration set sha256 = 'another' where number = 2")
    found: Any = pytest.raises(
        CannotUpgrade, match=r"0002_\w+ is not what it was .* put warehouse/migrations/0002_\w+\.sql"
    )
    with found, postgres.transaction(world.warehouse_url, "warehouse") as cursor:
        schema.create(cursor, **LIMIT)


def test_migrations_are_numbered_without_gaps() -> None:
    numbers = [int(path.removeprefix("migrations/")[:4]) for path in sql_files.files("migrations")]
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_database_that_does_not_hold_every_text_is_refused_before_anything_is_made(
    worlds: Worlds, encoding: str
) -> None:
    """A load would find out at the first text of another script, and blame the extract that holds it."""
    world = worlds.new()
    name = f"warehouse_in_{encoding.lower()}"
    admin = admin_url(world.home)
    options = f"owner etl_load template template0 encoding '{encoding}' locale_provider libc locale 'C'"
    run(admin, f"create database {name} {options}")
    worlds.databases.append(name)
    found = replace(world, warehouse_url=login(world.home, "warehouse_url", name))
    said = found.luigi("CreateWarehouse", expect=TASK_FAILED)
    assert f"cannot create the warehouse in the database {name}, because its encoding is {encoding}, which" in said
    assert run(found.warehouse_url, "select to_regnamespace('etl') is null") == [(True,)]
