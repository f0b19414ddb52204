"""What each role may do in source and warehouse, and what not; and that no analyst reads who a customer is."""

import datetime as dt
import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from support import shop
from support.databases import admin_url, database_of, login
from support.feeds_world import settings_of
from support.loads import create_warehouse, load_day
from support.world import LAST, SIMULATED, World, Worlds, embedded, running_services

from pipeline import services
from pipeline.catalog import SOURCE_TABLES, USER_PURCHASE
from pipeline.kernel import postgres
from pipeline.kernel.errors import DatabaseError, ServiceDown
from pipeline.services.access import LOGINS, METADATA, OPERATIONAL, WAREHOUSE

DAY = dt.timedelta(days=1)
ROLES = {name: role for name, (role, _) in LOGINS.items()}
MASKED = ("dim_customer", "dim_supplier", "dim_address")
# In every value of the source that says who somebody is, and the day of birth.
MARK, BORN = "tide-and-foam", "1901-07-13"


@pytest.fixture(scope="module")
def loaded(worlds: Worlds) -> World:
    """A customer of whom all is known and one of whom little is, an order of each, from two countries, loaded."""
    world = worlds.new()
    shop.open_shop(world)
    world.source(f"update ops.addresses set street = '1 {MARK} Pier', unit = '{MARK} 7'")
    world.source(f"update ops.suppliers set contact_email = 's@{MARK}' where supplier_id = 1")
    world.source(
        f"update ops.customers set first_name = 'A {MARK}', last_name = 'B {MARK}', email = 'a@{MARK}', "
        f"phone = '1 {MARK}', birth_date = '{BORN}'"
    )
    shop.insert(world, "addresses", shop.at(1), address_id=2, street=f"2 {MARK} Quay", city="Callao", country="Peru")
    person = {"first_name": f"C {MARK}", "last_name": f"D {MARK}", "registered_on": shop.date(1)}
    shop.insert(world, "customers", shop.at(1), customer_id=2, **person)
    shop.add_order(world, 1, shop.at(1), 1)
    shop.add_order(world, 2, shop.at(1), 1, 1, customer_id=2, address_id=2)
    with settings_of(world):
        create_warehouse(world)
        load_day(world, shop.date(1))
    world.warehouse("create table delta.customers (); analyze")  # a first load leaves no table there
    return world


def as_role(world: World, name: str, query: str) -> list[Any]:
    """Runs a statement as the role that has this name in services.json, in the world's own database."""
    database = LOGINS[name][1]
    own = {OPERATIONAL: database_of(world.operational_url), WAREHOUSE: database_of(world.warehouse_url)}
    url = login(world.home, name, own.get(database, database))
    with postgres.session(url, "tests") as cursor:
        cursor.execute("set default_transaction_read_only = off")  # a default, behind which are the privileges
        cursor.execute(query)
        return cursor.fetchall() if cursor.description else []


def as_analyst(world: World, query: str) -> set[tuple[Any, ...]]:
    return set(as_role(world, "bi_analyst_url", query))


NOBODY_MAY = (
    "create role mine",
    "create database mine",
    "select rolpassword from pg_authid",
    "copy (select 1) to program 'cat'",
    "select pg_read_file('PG_VERSION')",
    "alter role current_user createrole",
    "set session authorization postgres",
    "set role postgres",
)
NO_READER_MAY = (
    "create schema mine",
    "create table public.mine ()",
    "create temporary table mine ()",
    "set session_replication_role = replica",
)
REFUSED = {
    "operational_url": (
        *NO_READER_MAY,
        "insert into ops.states values ('NY', 'New York')",
        "update ops.orders set updated_ts = now()",
        "delete from ops.order_lines",
        "truncate ops.order_lines",
        "select from ops.orders for update",
        "begin; lock table ops.orders in row share mode",
        "begin; lock table ops.orders in share mode",
        "alter table ops.orders add column mine int",
        "create index on ops.orders (customer_id)",
        "create table ops.mine ()",
        "alter view retail.user_purchase rename to mine",
        "create view retail.mine as select 1",
        "select * from simulator.shop",
        "select * from simulator.business_day",
        "set role ocean",
    ),
    "simulator_url": ("set role etl_extract", "set role etl_load"),
    "warehouse_url": ("set session_replication_role = replica", "set role ocean", "set role etl_extract"),
    "bi_reader_url": (
        *NO_READER_MAY,
        "select * from dwh.dim_date",
        "select * from dwh.dim_customer",
        "select * from stage.customers",
        "select * from delta.customers",
        "select * from work.dim_customer",
        "select * from etl.marker",
        "select * from analyst.dim_customer",
        "delete from mart.agg_order_month",
        "create table mart.mine ()",
        "set role bi_analyst",
    ),
    "bi_reader_germany_url": (*NO_READER_MAY, "set role bi_reader", "set role bi_analyst"),
    "bi_analyst_url": (
        *NO_READER_MAY,
        "select first_name from dwh.dim_customer",
        "select customer_key from dwh.dim_customer where email = 'x'",
        "select birth_date from dwh.dim_customer",
        "select contact_email from dwh.dim_supplier",
        "select street from dwh.dim_address",
        "select unit from dwh.dim_address",
        "select * from dwh.dim_address",
        "select * from stage.customers",
        "select * from delta.customers",
        "select * from work.dim_customer",
        "select * from etl.rejected_row",
        "select * from mart.kpi_monthly",
        "update analyst.dim_customer set risk_score = 1",
        "delete from dwh.fact_order",
        "begin; lock table dwh.fact_order in share mode",
        "insert into analyst.country_access values ('bi_analyst', 'Peru')",
        "update analyst.country_access set country = '*'",
        "delete from analyst.country_access",
        "alter table dwh.fact_order disable row level security",
        "drop policy by_country on dwh.fact_order",
        "create table analyst.mine ()",
        "create or replace function analyst.countries() returns text[] return array['*']",
        "set role etl_load",
    ),
    "superset_metadata_url": (),
}


@pytest.mark.parametrize(
    ("name", "statement"),
    [(name, statement) for name, statements in REFUSED.items() for statement in (*NOBODY_MAY, *statements)],
)
def test_a_role_is_refused_what_is_not_its_work(loaded: World, name: str, statement: str) -> None:
    with pytest.raises(DatabaseError, match="42501"):
        as_role(loaded, name, statement)


@pytest.mark.parametrize("name", LOGINS)
def test_a_role_enters_no_database_but_its_own(services_home: Path, name: str) -> None:
    postgres.connect(login(services_home, name, LOGINS[name][1]), "tests").close()
    for database in {OPERATIONAL, WAREHOUSE, METADATA, "postgres", "template1"} - {LOGINS[name][1]}:
        with pytest.raises(ServiceDown, match="permission denied for database"):
            postgres.connect(login(services_home, name, database), "tests")


def test_no_role_is_anything_like_a_superuser_or_another_role(loaded: World) -> None:
    found = loaded.rows(
        "select rolname, rolcanlogin, rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls from pg_roles"
    )
    assert {(role, True, *[False] * 5) for role in ROLES.values()} <= found
    members = loaded.rows("select member::regrole::text, roleid::regrole::text from pg_auth_members")
    assert {(member, of) for member, of in members if member in ROLES.values()} == {
        ("etl_extract", "pg_read_all_stats"),
        *((role, "pg_use_reserved_connections") for role in ("etl_extract", "etl_load", "ocean", "superset")),
    }


def test_extraction_reads_the_source_and_what_is_added_to_it(loaded: World) -> None:
    for table in (*SOURCE_TABLES, USER_PURCHASE.name):
        assert as_role(loaded, "operational_url", f"select count(*) >= 0 from {table}") == [(True,)]
    loaded.source("create table ops.later as select 1 as one")
    assert as_role(loaded, "operational_url", "select one from ops.later") == [(1,)]


def test_an_analyst_sees_of_a_person_only_whether_something_is_known(loaded: World) -> None:
    names = "customer_id, first_name, last_name, email, phone, birth_date::text, registered_on::text"
    unknown, masked, registered = ["Unknown"] * 4, ["masked"] * 4, str(shop.date(1))
    assert as_analyst(loaded, f"select {names} from dim_customer") == {
        (-1, *unknown, None, None),
        (1, *masked, "1901-01-01", registered),
        (2, *masked[:2], *unknown[:2], None, registered),
    }
    assert as_analyst(loaded, "select supplier_id, name, contact_email from dim_supplier") == {
        (-1, "Unknown", "Unknown"),
        (1, "Kelp & Co", "masked"),
        (2, "Coral Ltd", "Unknown"),
    }
    assert as_analyst(loaded, "select address_id, street, unit, city, country from dim_address") == {
        (-1, "Unknown", "Unknown", "Unknown", "Unknown"),
        (1, "masked", "masked", "Eureka", "USA"),
        (2, "masked", "Unknown", "Callao", "Peru"),
    }


def test_an_analyst_finds_the_star_schema_by_its_tables_names(loaded: World) -> None:
    tables = {table for (table,) in loaded.rows("select tablename from pg_tables where schemaname = 'dwh'")}
    assert len(tables) == 12
    for table in tables:
        as_analyst(loaded, f"select * from {table}")
    for table in MASKED:
        columns = "select array_agg(attname::text) from pg_attribute where attrelid = '{}.{}'::regclass and attnum > 0"
        [(view,)] = loaded.warehouse(columns.format("analyst", table))
        [(dimension,)] = loaded.warehouse(columns.format("dwh", table))
        assert sorted(view) == sorted(dimension), table
    by_country = "select country, sum(line_amount)::int from fact_order_line join fact_order using (order_id) "
    by_country += "join dim_address using (address_key) group by country"
    assert as_analyst(loaded, by_country) == {("USA", 20), ("Peru", 40)}


READABLE = """
select format('%I.%I', nspname, relname), string_agg(format('%I', attname), ', ')
from pg_class inner join pg_namespace on pg_namespace.oid = relnamespace
inner join pg_attribute on attrelid = pg_class.oid
where
    relkind in ('r', 'v', 'm', 'p', 'f') and attnum > 0 and not attisdropped
    and has_schema_privilege(pg_namespace.oid, 'usage') and has_column_privilege(pg_class.oid, attnum, 'select')
group by nspname, relname
"""


def test_nothing_that_an_analyst_may_read_says_who_a_customer_is(loaded: World) -> None:
    holding_it = "select count(*) from dwh.dim_customer as t where t::text like '%{}%'"
    assert loaded.warehouse(holding_it.format(MARK)) == [(2,)]
    assert loaded.warehouse(holding_it.format(BORN)) == [(1,)]
    assert loaded.warehouse(f"select count(*) > 0 from pg_stats as t where t::text ~ '{MARK}'") == [(True,)]
    readable = as_analyst(loaded, READABLE)
    assert {"analyst.dim_customer", "dwh.dim_address", "pg_catalog.pg_stats"} <= {relation for relation, _ in readable}
    for relation, columns in readable:
        telling = f"select * from (select {columns} from {relation}) as t where t::text ~ '{MARK}|{BORN}'"
        if relation != "pg_catalog.pg_stat_activity":  # which shows this very query
            assert not as_analyst(loaded, telling), relation


@contextmanager
def member(world: World, *countries: str) -> Iterator[str]:
    """The warehouse's URL for a new member of bi_analyst that may see these countries."""
    role, password = f"analyst_{secrets.token_hex(5)}", secrets.token_hex(10)
    with postgres.session(admin_url(world.home), "tests") as cursor:
        cursor.execute(f"create role {role} login password '{password}' in role bi_analyst")
    for country in countries:
        world.warehouse("insert into analyst.country_access values (%s, %s)", (role, country))
    server = world.warehouse_url.partition("@")[2]
    yield f"postgresql://{role}:{password}@{server}"
    world.warehouse("delete from analyst.country_access where role_name = %s", (role,))
    with postgres.session(admin_url(world.home), "tests") as cursor:
        cursor.execute(f"drop role {role}")


SEEN = """
select
    (select array_agg(country order by country) from analyst.dim_address),
    (select array_agg(country order by country) from dwh.dim_address),
    (select array_agg(order_id order by order_id) from dwh.fact_order),
    (select array_agg(order_id order by order_id) from dwh.fact_order_line)
"""


def seen(url: str, before: str = "select 1") -> Any:
    """Addresses by view and by table, orders and lines that a login sees."""
    with postgres.session(url, "tests") as cursor:
        cursor.execute(before)
        return postgres.rows(cursor, SEEN)[0]


def test_a_member_sees_addresses_orders_and_lines_of_its_countries_alone(loaded: World) -> None:
    with member(loaded, "Peru") as url:
        assert seen(url) == (["Peru"], ["Peru"], [2], [2, 2])
    with member(loaded, "Peru", "USA") as url:
        assert seen(url) == (["Peru", "USA"], ["Peru", "USA"], [1, 2], [1, 2, 2])
    with member(loaded, "*") as url:
        assert seen(url) == (["Peru", "USA", "Unknown"], ["Peru", "USA", "Unknown"], [1, 2], [1, 2, 2])


def test_a_member_that_was_given_no_country_sees_none(loaded: World) -> None:
    with member(loaded) as url:
        assert seen(url) == (None, None, None, None)


def test_a_member_of_one_country_does_not_see_more_as_the_group(loaded: World) -> None:
    with member(loaded, "Peru") as url:
        assert seen(url, "set role bi_analyst") == (["Peru"], ["Peru"], [2], [2, 2])


def test_a_function_in_a_query_does_not_look_behind_the_view_of_addresses(loaded: World) -> None:
    """One that costs less than the condition would be asked first, and tell of rows that are not shown."""
    loaded.warehouse(
        "create function public.tells(text) returns boolean cost 0.0000001 language plpgsql as "
        "$$ begin raise exception 'told %', $1; end $$"
    )
    with member(loaded) as url, postgres.session(url, "tests") as cursor:
        assert postgres.rows(cursor, "select * from analyst.dim_address where public.tells(city)") == []
    loaded.warehouse("drop function public.tells(text)")


def test_dashboards_and_loads_see_every_country(loaded: World) -> None:
    countries = "select country, orders from mart.kpi_monthly_country"
    assert set(as_role(loaded, "bi_reader_url", countries)) == {("USA", 1), ("Peru", 1)}
    assert loaded.rows("select order_id from dwh.fact_order") == {(1,), (2,)}


def test_what_is_granted_stays_when_the_files_run_again(loaded: World) -> None:
    with member(loaded, "Peru") as url:
        with settings_of(loaded):
            create_warehouse(loaded)
        assert seen(url) == (["Peru"], ["Peru"], [2], [2, 2])


@pytest.fixture
def without_superuser() -> Iterator[World]:
    """The embedded databases and lake, on a server into which no superuser is let any more."""
    with running_services() as home:
        with closing(psycopg2.connect(admin_url(home))) as connection, connection, connection.cursor() as cursor:
            cursor.execute("alter role postgres nologin")
            cursor.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity "
                "where usename = 'postgres' and backend_type = 'client backend' and pid <> pg_backend_pid()"
            )
        yield embedded(home, **SIMULATED).where(OCEAN_SHOP_OPENED_ON=str(LAST - DAY), OCEAN_MAX_LAG_HOURS="1000000")


def test_after_the_set_up_no_command_needs_a_superuser(without_superuser: World) -> None:
    world = without_superuser
    with pytest.raises(ServiceDown, match="not permitted to log in"):
        postgres.connect(admin_url(world.home), "tests")

    world.load(LAST)
    assert world.warehouse("select count(*) > 0 from etl.check_result where failures = 0") == [(True,)]
    assert world.warehouse("select count(*) > 0 from dwh.dim_customer where risk_score is not null") == [(True,)]
    world.luigi("ReconcileSource", "--date", str(LAST), "--repair")
    code, shown, errors = world.status()
    assert code == 0, shown + errors
    assert "Nothing needs attention." in shown
    assert {state.state for state in services.up(world.home)} == {"running"}

    before = world.checksum()
    world.warehouse("insert into analyst.country_access values ('bi_analyst_of_peru', 'Peru')")
    world.luigi("RebuildWarehouse", "--replace")
    assert world.checksum() == before
    assert world.rows("select * from analyst.country_access") == {
        ("bi_analyst", "*"),
        ("bi_analyst_of_peru", "Peru"),
        ("bi_reader_germany", "Germany"),
    }
    orders = as_analyst(world, "select count(*) from fact_order join dim_address using (address_key)")
    assert orders == world.rows("select count(*) from dwh.fact_order") != {(0,)}
    assert as_role(world, "bi_reader_url", "select count(*) > 0 from mart.kpi_monthly") == [(True,)]
