"""Sources that differ from the contract in their columns, types, encoding or settings."""

from collections.abc import Iterator

import pytest
from support.databases import admin_url, create_source_database, drop_database
from support.feeds_world import settings_of
from support.loads import create_source, create_warehouse, extract_date, load_stages
from support.shop import date, open_shop
from support.world import World, Worlds
from unconstrained import without_constraints

from pipeline.catalog import SOURCE_TABLES, USER_PURCHASE
from pipeline.kernel import postgres
from pipeline.kernel.errors import BadExtract, RowsHidden, SchemaDrift
from pipeline.source.columns import read_columns

ODD = "\"; drop table ops.orders; --\n,%s 'é"
QUOTED = ODD.replace('"', '""')
# A table, what is altered of it, and why it is then refused.
REFUSED = [
    ("ops.orders", "drop column ordered_ts", "its column ordered_ts is not there"),
    ("ops.orders", 'rename ordered_ts to "Ordered_TS"', "its column ordered_ts is not there"),
    ("ops.states", "rename to provinces", "the source has no such table"),
    ("ops.states", "alter updated_ts type text", "its column updated_ts is text, not an instant"),
    ("ops.states", "drop updated_ts, add updated_ts bigint", "its column updated_ts is bigint, not an instant"),
    (
        "ops.orders",
        "alter ordered_ts type varchar(40)",
        "its column ordered_ts is character varying(40), not an instant",
    ),
    ("ops.orders", "alter ordered_ts type time", "its column ordered_ts is time without time zone, not an instant"),
    ("ops.customers", "alter birth_date type text", "its column birth_date is text, not a date"),
    ("ops.orders", "alter order_id type text", "its column order_id is text, not a whole number"),
    ("ops.orders", "drop order_id, add order_id uuid", "its column order_id is uuid, not a whole number"),
    ("ops.orders", "alter order_id type float8", "its column order_id is double precision, not a whole number"),
    ("ops.order_lines", "alter quantity type text", "its column quantity is text, not a whole number"),
    ("ops.products", "alter unit_price type real", "its column unit_price is real, not an exact number"),
    ("ops.products", "alter unit_price type money", "its column unit_price is money, not an exact number"),
    ("ops.products", "drop unit_price, add unit_price ops.mood", "its column unit_price is text, not an exact number"),
    ("ops.suppliers", "alter country type bytea using country::bytea", "its column country is bytea, not a text"),
    ("ops.suppliers", "drop name, add name jsonb", "its column name is jsonb, not a text"),
    ("ops.order_statuses", "drop is_lost, add is_lost int", "its column is_lost is integer, not true or false"),
    ("ops.states", "add etl_batch bigint", "its column etl_batch is called like a column of stage's own"),
    ("retail.user_purchase", "alter invoice_date type text", "its column invoice_date is text, not an instant"),
    ("retail.user_purchase", "alter customer_id type text", "its column customer_id is text, not a whole number"),
    ("retail.user_purchase", "drop country", "its column country is not there"),
]
# What is altered of ops.suppliers, and as what a column is then read.
TAKEN = [
    ("add x ops.mood", "x", "text"),
    ("add x ops.mood[]", "x", "text"),
    ("add x ops.calm_mood", "x", "text"),
    ("add x ops.depth", "x", "numeric(6,2)"),
    ("add x ops.point", "x", "text"),
    ("alter supplier_id type ops.id", "supplier_id", "integer"),
    ("alter supplier_id type numeric(30)", "supplier_id", "numeric(30,0)"),
    ("alter updated_ts type timestamp(3)", "updated_ts", "timestamp(3) without time zone"),
    ("alter updated_ts type date", "updated_ts", "date"),
    ("alter name type text", "name", "text"),
    ("drop name, add name integer", "name", "integer"),
    ("alter created_ts type text", "created_ts", "text"),
    (f'add "{QUOTED}" text', ODD, "text"),
    ('add "select" integer', "select", "integer"),
]
TYPES = """
create type ops.mood as enum ('calm', 'wild');
create domain ops.calm_mood as ops.mood check (value = 'calm');
create type ops.point as (x integer, y integer);
create domain ops.metres as numeric(6, 2);
create domain ops.depth as ops.metres;
create domain ops.id as integer check (value > 0);
drop view retail.user_purchase;
create table retail.user_purchase (
    invoice_number text, stock_code text, detail text, quantity integer,
    invoice_date timestamp, unit_price double precision, customer_id double precision, country text
)
"""


@pytest.fixture(scope="module")
def source(worlds: Worlds) -> World:
    world = worlds.new()
    create_source(world)
    world.source(TYPES)
    without_constraints(world)
    return world


def columns_after(source: World, table: str, change: str) -> dict[str, str]:
    """The columns and types that an extract would read after a change of the table, which is taken back."""
    found = {**SOURCE_TABLES, USER_PURCHASE.name: USER_PURCHASE}[table]
    with postgres.session(source.simulator_url, "tests") as cursor:
        cursor.execute("begin")
        try:
            cursor.execute(f"alter table {table} {change}")
            return {column.name: column.type for column in read_columns(cursor, found)}
        finally:
            cursor.execute("rollback")


@pytest.mark.parametrize(("table", "change", "because"), REFUSED)
def test_a_source_that_the_warehouse_cannot_use_is_refused_by_table_and_column(
    source: World, table: str, change: str, because: str
) -> None:
    with pytest.raises(SchemaDrift) as caught:
        columns_after(source, table, change)
    assert str(caught.value).startswith(f"cannot extract {table}, because {because}; ")


@pytest.mark.parametrize(("change", "column", "type_"), TAKEN)
def test_a_source_that_differs_in_what_does_not_matter_is_taken(
    source: World, change: str, column: str, type_: str
) -> None:
    assert columns_after(source, "ops.suppliers", change)[column] == type_


@pytest.fixture
def encoded(worlds: Worlds, request: pytest.FixtureRequest) -> Iterator[World]:
    """A shop in a database of the encoding that the test names, with settings of its own."""
    world = worlds.new()
    name = f"bad_{request.param.lower()}"
    url = create_source_database(world.home, name, options=f"encoding '{request.param}' locale 'C'")
    with postgres.session(admin_url(world.home), "tests") as admin:
        for setting in ("timezone = 'Asia/Tokyo'", "datestyle = 'German'", "bytea_output = 'escape'"):
            admin.execute(f"alter database {name} set {setting}")
    found = World(world.home, url, world.warehouse_url, world.lake_url)
    open_shop(found)
    yield found
    drop_database(world.home, name)


def load(world: World) -> None:
    with settings_of(world):
        create_warehouse(world)
        for table in ("ops.states", "ops.suppliers"):  # the second one on a connection that was used before
            extract_date(world, date(1), [table])
            load_stages(world, date(1), [table])


@pytest.mark.parametrize("encoded", ["LATIN1"], indirect=True)
def test_a_source_of_another_encoding_time_zone_and_style_is_read_as_it_is_meant(encoded: World) -> None:
    encoded.source("alter table ops.suppliers add \"café\" bytea default 'é\\000'")
    encoded.source("update ops.suppliers set name = 'Zoë & Søn ©' where supplier_id = 2")
    load(encoded)
    rows = 'select name, "café"::text, updated_ts::text from stage.suppliers where supplier_id = 2'
    assert encoded.warehouse(rows) == [("Zoë & Søn ©", "\\xe900", "2026-01-01 00:00:00+00")]


@pytest.mark.parametrize("encoded", ["SQL_ASCII"], indirect=True)
def test_a_text_that_is_in_no_known_encoding_is_refused_by_its_table(encoded: World) -> None:
    encoded.source("update ops.suppliers set name = E'Zo\\xeb' where supplier_id = 2")
    with pytest.raises(BadExtract, match=r"ops\.suppliers, because it holds a text that cannot be written in UTF-8"):
        load(encoded)
    assert encoded.warehouse("select to_regclass('stage.suppliers') is null") == [(True,)]


def test_a_table_of_which_row_level_security_hides_rows_is_refused_by_name(source: World) -> None:
    """Read as it shows itself, the extract would lack rows for good."""
    source.source("create policy part on ops.suppliers for select to etl_extract using (supplier_id = 1)")
    source.source("alter table ops.suppliers enable row level security")
    try:
        because = "cannot read suppliers in the operational database, because row-level security hides rows"
        with settings_of(source), pytest.raises(RowsHidden, match=because):
            extract_date(source, date(9), ["ops.suppliers"])
    finally:
        source.source("alter table ops.suppliers disable row level security; drop policy part on ops.suppliers")
