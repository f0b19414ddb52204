"""A warehouse in which the cases of SQL files run."""

from collections.abc import Iterator

import pytest
from support.feeds_world import settings_of
from support.loads import create_source, create_warehouse, extract_date, load_stages
from support.shop import date
from support.world import Worlds

from pipeline.kernel import postgres
from pipeline.kernel.postgres import Cursor

# A case states what it is about alone: no column has to be filled, and what no load may write can be there for a check
# to find. Keys stay.
LOOSEN = """
do $$
declare
    change text;
begin
    for change in
        select format('alter table %s drop constraint %I', conrelid::regclass, conname)
        from pg_constraint where contype = 'c' and connamespace::regnamespace::text in ('dwh', 'mart', 'etl', 'stage')
        union all
        select format('alter table %s alter column %I drop not null', attrelid::regclass, attname)
        from pg_attribute
        inner join pg_class on pg_attribute.attrelid = pg_class.oid and pg_class.relkind = 'r'
        left join pg_index on pg_class.oid = pg_index.indrelid and pg_index.indisprimary
        where
            relnamespace::regnamespace::text in ('dwh', 'mart', 'etl', 'stage')
            and attnum > 0 and attnotnull and attidentity = '' and attnum <> all(coalesce(indkey::int2[], '{}'))
        union all
        select format('truncate %s', oid::regclass) from pg_class
        where relkind = 'r' and relnamespace::regnamespace::text in ('dwh', 'mart', 'etl', 'stage')
    loop
        execute change;
    end loop;
end
$$
"""


@pytest.fixture(scope="module")
def warehouse_of_cases(worlds: Worlds) -> str:
    """The URL of a warehouse with all tables that every warehouse has once it has loaded, and not a row."""
    world = worlds.new()
    with settings_of(world):
        create_source(world)
        create_warehouse(world)
        extract_date(world, date(1))
        load_stages(world, date(1))
    world.warehouse(LOOSEN)
    return world.warehouse_url


@pytest.fixture
def cursor(warehouse_of_cases: str) -> Iterator[Cursor]:
    """A cursor in a transaction of which nothing stays, in a time zone that no statement depends on."""
    connection = postgres.connect(warehouse_of_cases, "warehouse")
    with connection.cursor() as found:
        found.execute("set timezone = 'Asia/Tokyo'")
        yield found
    connection.close()
