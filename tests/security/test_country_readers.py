"""What PostgreSQL shows to the dashboards of one country, whatever is asked with their login: attacks on it by SQL."""

import re
from collections import Counter

import psycopg2
import pytest
from psycopg2 import errorcodes
from support import shop
from support.databases import database_of, login
from support.feeds_world import settings_of
from support.loads import create_warehouse, load_day
from support.world import World, Worlds

from pipeline.kernel import postgres
from pipeline.kernel.errors import DatabaseError
from pipeline.services.access import READER, READERS

BY_COUNTRY = "select relname from pg_class join pg_attribute on attrelid = pg_class.oid "
BY_COUNTRY += "where relkind = 'v' and relnamespace = 'mart'::regnamespace and attname = 'country'"
VIEWS = [
    "forecast_error",
    "forecast_state",
    "kpi_monthly_country",
    "kpi_quarterly_country",
    "sales_by_country",
    "sales_by_day",
    "sales_by_product",
    "sales_by_subtype",
    "sales_outlook",
]
AGGREGATES = [
    "agg_order_month",
    "agg_order_day",
    "agg_product_month",
    "agg_subtype_month",
    "agg_customer_quarter",
    "sales_forecast",
]
FORECAST = """
insert into mart.forecast_run values ('2025-12-31', now(), now(), null);
insert into mart.sales_forecast
select '2025-12-31', 'sales', country, '2026-01-01'::date + n, 5, 4, 6, 3, 7
from unnest(array['Germany', 'Peru', 'everywhere']) as country, generate_series(0, 1) as n
"""


@pytest.fixture(scope="module")
def loaded(worlds: Worlds) -> World:
    """An order for Germany, and two of a product of its own for Peru."""
    world = worlds.new()
    shop.open_shop(world)
    shop.add_product(world, 2, 77)
    for key, (city, country) in {2: ("Callao", "Peru"), 3: ("Kiel", "Germany")}.items():
        shop.insert(world, "addresses", shop.at(1), address_id=key, street="1 Quay", city=city, country=country)
    shop.insert(
        world, "customers", shop.at(1), customer_id=2, first_name="Li", last_name="Po", registered_on=shop.date(1)
    )
    shop.add_order(world, 1, shop.at(1), 1, address_id=3)
    shop.add_order(world, 2, shop.at(1), 2, price=77, customer_id=2, address_id=2)
    shop.add_order(world, 3, shop.at(1), 2, price=77, customer_id=2, address_id=2)
    with settings_of(world):
        create_warehouse(world)
        load_day(world, shop.date(1))
    world.warehouse(FORECAST)
    world.warehouse("analyze")
    return world


def url_of(world: World, role: str) -> str:
    return login(world.home, f"{role}_url", database_of(world.warehouse_url))


def as_germany(world: World, statement: str) -> list[tuple[object, ...]]:
    """The rows of a statement with the login of Germany's dashboards."""
    with postgres.session(url_of(world, "bi_reader_germany"), "tests") as cursor:
        cursor.execute("set default_transaction_read_only = off")  # which is a default, and no more
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


@pytest.mark.parametrize("view", VIEWS)
def test_each_view_shows_the_readers_own_country_alone(loaded: World, view: str) -> None:
    countries = f"select distinct country from mart.{view} order by 1"
    assert as_germany(loaded, countries) == [("Germany",)]
    seen = as_germany(loaded, f"select * from mart.{view} where country = 'Peru' or true")
    own = loaded.warehouse(f"select {columns(loaded, view)} from mart.{view} where country = 'Germany'")
    assert Counter(seen) == Counter(own)
    assert loaded.warehouse(countries) == [("Germany",), ("Peru",)]


def columns(world: World, view: str) -> str:
    """The columns of a view, without what takes every country to count."""
    names = world.warehouse(
        f"select attname from pg_attribute where attrelid = 'mart.{view}'::regclass and attnum > 0 order by attnum"
    )
    one = "countries_everywhere"
    seen = {one: f"sign({one})::bigint"}
    return ", ".join(
        seen.get(name, f"null::numeric as {name}" if name.endswith("_everywhere") else name) for (name,) in names
    )


def test_every_view_with_a_country_is_among_them_and_has_a_barrier(loaded: World) -> None:
    assert sorted(name for (name,) in loaded.warehouse(BY_COUNTRY)) == VIEWS
    assert len(loaded.warehouse(f"{BY_COUNTRY} and reloptions @> array['security_barrier=true']")) == len(VIEWS)


def test_who_sees_every_country_sees_it_as_before(loaded: World) -> None:
    with postgres.session(url_of(loaded, READER), "tests") as cursor:
        for view in VIEWS:
            query = f"select * from mart.{view} order by 1, 2, 3"
            assert postgres.rows(cursor, query) == loaded.warehouse(query)
        total = "select distinct unique_customers_everywhere, countries_everywhere from mart.kpi_quarterly_country"
        assert postgres.rows(cursor, total) == [(2, 2)]


def test_nothing_else_of_the_warehouse_can_be_read(loaded: World) -> None:
    relations = loaded.warehouse(
        "select oid::regclass::text from pg_class where relkind in ('r', 'v', 'm', 'p', 'S') "
        "and relnamespace::regnamespace::text in ('mart', 'dwh', 'stage', 'delta', 'work', 'etl', 'analyst', 'public')"
    )
    names = {name for (name,) in relations} - {f"mart.{view}" for view in VIEWS}
    assert {"mart.kpi_monthly", "dwh.fact_order", "analyst.country_access", *(f"mart.{a}" for a in AGGREGATES)} <= names
    for name in names:
        with pytest.raises(DatabaseError, match="42501"):
            as_germany(loaded, f"select from {name}")


@pytest.mark.parametrize(
    "statement",
    [
        *(f"set role {role}" for role in ("bi_reader", "bi_analyst", "etl_load", "postgres")),
        *(f"set session authorization {role}" for role in ("bi_reader", "etl_load")),
        "grant bi_reader to bi_reader_germany",
        "grant select on mart.agg_order_month to bi_reader_germany",
        "alter view mart.sales_by_country set (security_barrier = false)",
        "create or replace view mart.sales_by_country as select 1",
        "create view mart.mine as select * from mart.agg_order_month",
        "create temporary view mine as select * from mart.agg_order_month",
        "create temporary table country_access (role_name name, country text)",
        "create function public.sees_every_country() returns boolean return true",
        "create schema analyst_of_mine",
        "insert into analyst.country_access values ('bi_reader_germany', '*')",
        "update analyst.country_access set country = '*'",
        "create or replace function analyst.countries() returns text[] return array['*']",
        "select analyst.countries()",
        "select pg_read_file('PG_VERSION')",
        "copy mart.agg_order_month to stdout",
        "begin; lock table mart.agg_order_month in access share mode",
        "do $$ begin perform from mart.agg_order_month; end $$",
        "prepare mine as select * from mart.agg_order_month; execute mine",
        "begin; declare mine cursor for select * from mart.agg_order_month",
        "create statistics mine on month, country from mart.agg_order_month",
        "delete from mart.agg_order_month",
        "update mart.sales_by_subtype set country = 'Germany'",
    ],
)
def test_no_statement_widens_what_the_login_may(loaded: World, statement: str) -> None:
    with pytest.raises(DatabaseError, match=r"42501|55000: cannot update view"):
        as_germany(loaded, statement)


# Each takes a query as text, and runs it with the rights of who calls it.
QUERIES = {
    "ts_stat": "select word from ts_stat($$select to_tsvector('simple', country) from mart.{}$$)",
    "ts_rewrite": (
        "select ts_rewrite('a', $$select 'a'::tsquery, string_agg(quote_literal(country), '|')::tsquery "
        "from mart.{}$$)::text"
    ),
    "query_to_xml": "select query_to_xml('select country from mart.{}', true, false, '')::text",
    "table_to_xml": "select table_to_xml('mart.{}', true, false, '')::text",
}


def answer(world: World, statement: str) -> str:
    """What comes back of a statement, rows or the server's own refusal."""
    connection = psycopg2.connect(url_of(world, "bi_reader_germany"))
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return str(cursor.fetchall())
    except psycopg2.Error as error:
        return f"{error.pgcode} {error}"
    finally:
        connection.close()


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_a_query_in_a_text_sees_no_more(loaded: World, query: str) -> None:
    assert "Peru" not in answer(loaded, query.format("sales_by_country"))
    said = answer(loaded, query.format("agg_order_month"))
    assert "Peru" not in said
    assert said[:5] in (errorcodes.INSUFFICIENT_PRIVILEGE, errorcodes.FEATURE_NOT_SUPPORTED)


# They fail on a row of Peru, and say what is in it, where they are asked before the row is hidden.
LEAKY = [
    "country::int = 1",
    "('x' || country)::int > 0 or country <> 'Germany'",
    "1 / (case country when 'Peru' then 0 else 1 end) > 0",
    "label::date > '2000-01-01' and country = 'Peru'",
    "(sales::text || country)::numeric > 0 and country <> 'Germany'",
    "to_date(country, 'YYYY') > '2000-01-01' and country <> 'Germany'",
    "country ~ ('[' || country) and country <> 'Germany'",
    "1 / (sales - 154) > 1000000",
]


@pytest.mark.parametrize("condition", LEAKY)
@pytest.mark.parametrize("view", ["sales_by_country", "sales_by_product", "sales_by_subtype"])
def test_a_condition_is_never_asked_of_a_hidden_row(loaded: World, view: str, condition: str) -> None:
    said = answer(loaded, f"select * from mart.{view} where {condition}")
    assert "Peru" not in said
    assert errorcodes.DIVISION_BY_ZERO not in said


def test_a_cheap_function_is_never_asked_of_a_hidden_row(loaded: World) -> None:
    """One that costs less than the condition of the view would be asked first, were there no barrier."""
    loaded.warehouse(
        "create function public.tells(text) returns boolean cost 0.0000001 language plpgsql as "
        "$$ begin if $1 <> 'Germany' then raise exception 'told %', $1; end if; return true; end $$"
    )
    for view in VIEWS:
        rows = as_germany(loaded, f"select country from mart.{view} where public.tells(country)")
        assert set(rows) == {("Germany",)}
    loaded.warehouse("drop function public.tells(text)")


@pytest.mark.parametrize("view", ["kpi_monthly_country", "sales_by_product", "sales_by_subtype"])
def test_a_plan_that_was_run_tells_nothing_of_a_hidden_row(loaded: World, view: str) -> None:
    """A guess of what a row holds that is hidden is answered as one that is wrong."""
    hidden = f"select month, country, orders from mart.{view} where country <> 'Germany' limit 1"
    [(month, country, orders)] = loaded.warehouse(hidden)
    guesses = [(country, orders), (country, orders + 1), ("Nowhere", orders)]
    plans = set()
    for where, how_many in guesses:
        query = f"select from mart.{view} where month = '{month}' and country = '{where}' and orders = {how_many}"
        shown = as_germany(loaded, f"explain (analyze, costs off, timing off, summary off, buffers off) {query}")
        plan = "\n".join(str(line) for (line,) in shown)
        # The conditions alone name the guess, as `orders = 2` or `(sum(orders))::bigint = 2`; counts of rows do not.
        plans.add(re.sub(rf" = '?({where}|{how_many})\b", " = a guess", plan))
    assert len(plans) == 1


def test_statistics_tell_nothing_of_the_tables_beneath(loaded: World) -> None:
    assert loaded.warehouse(
        "select count(*) > 0 from pg_stats as t where schemaname = 'mart' and t::text ~ 'Peru'"
    ) == [(True,)]
    for statistics in ("pg_stats", "pg_stats_ext", "pg_stats_ext_exprs"):
        assert as_germany(loaded, f"select from {statistics} where schemaname in ('mart', 'dwh', 'etl')") == []
    for catalog in ("pg_statistic", "pg_statistic_ext_data"):
        with pytest.raises(DatabaseError, match="42501"):
            as_germany(loaded, f"select * from {catalog}")


def test_a_reader_whose_row_is_taken_away_sees_nothing_and_does_not_get_it_back(loaded: World) -> None:
    germany = ("bi_reader_germany", "Germany")
    loaded.warehouse("delete from analyst.country_access where role_name = %s and country = %s", germany)
    with settings_of(loaded):
        create_warehouse(loaded)
    assert [as_germany(loaded, f"select * from mart.{view}") for view in VIEWS] == [[]] * len(VIEWS)
    loaded.warehouse("insert into analyst.country_access values (%s, %s)", germany)
    assert as_germany(loaded, "select country from mart.sales_by_country") == [("Germany",)]


def test_a_warehouse_of_the_version_before_knows_germanys_reader_after_its_upgrade(
    loaded: World, worlds: Worlds
) -> None:
    """The table was there, with what somebody had put into it; the functions that the views ask were not."""
    older = worlds.copy(loaded)
    older.warehouse("drop function analyst.sees_every_country() cascade")
    older.warehouse("delete from analyst.country_access where role_name = 'bi_reader_germany'")
    older.warehouse("insert into analyst.country_access values ('anna', 'Peru')")
    with settings_of(older):
        create_warehouse(older)
    expected = {("bi_analyst", "*"), ("anna", "Peru"), ("bi_reader_germany", "Germany")}
    assert older.rows("select * from analyst.country_access") == expected


def test_the_readers_are_held_alike(loaded: World) -> None:
    settings = loaded.warehouse("select distinct rolconfig from pg_roles where rolname = any(%s)", (list(READERS),))
    assert len(settings) == 1
    assert "max_parallel_workers_per_gather" in str(settings)
