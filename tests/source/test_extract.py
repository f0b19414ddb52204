"""What is in an extract and what is not, against a real source and a real S3."""

import csv
import datetime as dt
import gzip
import hashlib
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg2
import pytest
import zstandard
from support.databases import database_of
from support.feeds_world import settings_of
from support.loads import create_warehouse, extract_date, load_dimensions, load_facts, load_stages
from support.shop import OPENING, add_order, add_product, at, date, insert, open_shop, update
from support.world import World, Worlds

from pipeline.catalog import SOURCE_TABLES
from pipeline.kernel import config, postgres
from pipeline.kernel.errors import SchemaDrift, ServiceLost, SourceUnsafe
from pipeline.lake.objects import Lake
from pipeline.source import bounds, extract, instants, layout


def rows(world: World, table: str, day: int) -> list[dict[str, str]]:
    found = layout.metadata(world.lake, table, date(day))
    assert found is not None
    data = world.lake.read(f"{layout.folder(table, date(day))}/{found.data}")
    assert data is not None
    assert (len(data), hashlib.sha256(data).hexdigest()) == (found.bytes, found.sha256)
    plain = (
        gzip.decompress(data) if found.data.endswith(".gz") else zstandard.ZstdDecompressor().stream_reader(data).read()
    )
    lines = list(csv.DictReader(io.StringIO(plain.decode())))
    assert len(lines) == found.rows
    return lines


def products(world: World, day: int) -> set[str]:
    return {row["product_id"] for row in rows(world, "ops.products", day)}


def bound(world: World, day: int) -> dt.datetime:
    text = world.lake.read(bounds.key_of(date(day)))
    assert text is not None
    return dt.datetime.fromisoformat(json.loads(text)["to_watermark"])


def test_a_row_with_exactly_the_bounds_timestamp_is_extracted_once_by_the_later_date(shop: World) -> None:
    midnight = at(2, hour=0)
    add_product(shop, 2, 5, midnight - dt.timedelta(microseconds=1))
    add_product(shop, 3, 5, midnight)
    for day in (1, 2, 3):
        extract_date(shop, date(day))
    assert products(shop, 1) == {"1", "2"}
    assert products(shop, 2) == {"3"}
    assert products(shop, 3) == set()


def test_an_empty_window_gives_a_valid_empty_extract(shop: World) -> None:
    extract_date(shop, date(1))
    extract_date(shop, date(2))
    folder = layout.folder("ops.orders", date(2))
    assert rows(shop, "ops.orders", 2) == []
    for name in ("data.csv.zst", "metadata.json", "create_delta.sql", "create_stage.sql", "_SUCCESS"):
        assert shop.lake.exists(f"{folder}/{name}")


def test_an_extract_is_finished_only_when_all_its_files_are_there(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    write = Lake.write

    def fail(lake: Lake, key: str, data: bytes) -> None:
        if key.endswith("metadata.json"):
            raise ServiceLost("write to the lake", "the connection was lost", "run the same command again")
        write(lake, key, data)

    monkeypatch.setattr(Lake, "write", fail)
    with pytest.raises(ServiceLost):
        extract_date(shop, date(1), ["ops.products"])
    assert not shop.lake.exists(f"{layout.folder('ops.products', date(1))}/_SUCCESS")


def test_all_tables_of_a_date_share_one_bound_also_when_they_are_extracted_later(shop: World) -> None:
    extract_date(shop, date(1), ["ops.orders"])
    add_product(shop, 2, 5, at(2))
    extract_date(shop, date(1), ["ops.products"])
    for table in ("ops.orders", "ops.products"):
        found = layout.metadata(shop.lake, table, date(1))
        assert found is not None
        assert dt.datetime.fromisoformat(found.to_watermark) == bound(shop, 1)
    assert products(shop, 1) == {"1"}


def test_an_extract_begins_where_the_nearest_earlier_one_ended_whatever_the_gap(shop: World) -> None:
    extract_date(shop, date(1))
    add_product(shop, 2, 5, at(3))
    extract_date(shop, date(9))
    assert products(shop, 9) == {"2"}
    found = layout.metadata(shop.lake, "ops.products", date(9))
    assert found is not None
    assert found.from_watermark == bound(shop, 1).isoformat()


def test_a_transaction_open_during_the_extract_is_in_the_warehouse_after_the_next_date(shop: World) -> None:
    today = dt.datetime.now(dt.UTC).date()
    with psycopg2.connect(shop.simulator_url) as late, late.cursor() as cursor:
        # now() is the start of this transaction, and below the bound that the clock alone would give.
        cursor.execute("insert into ops.products select 2, 'SKU-2', 'Late', 1, 1, 7")
        extract_date(shop, today)
        assert layout.metadata(shop.lake, "ops.products", today) is not None
        load_stages(shop, today)
    late.close()
    assert shop.warehouse("select product_id from stage.products") == [(1,)]
    tomorrow = today + dt.timedelta(days=1)
    extract_date(shop, tomorrow)
    load_stages(shop, tomorrow)
    assert shop.rows("select product_id from stage.products") == {(1,), (2,)}


@pytest.fixture
def preparing(preparing_home: Path) -> Iterator[World]:
    """A source of one's own whose server lets clients prepare transactions."""
    worlds = Worlds(preparing_home, "preparing")
    world = worlds.new()
    with settings_of(world):
        yield world
    worlds.drop()


def test_a_prepared_transaction_is_in_the_warehouse_after_the_next_date(preparing: World) -> None:
    world = preparing
    open_shop(world)
    create_warehouse(world)
    today = dt.datetime.now(dt.UTC).date()
    extract_date(world, date(1))
    connection = psycopg2.connect(world.simulator_url)
    connection.tpc_begin(connection.xid(1, f"late-{world.lake_url}", "branch"))
    connection.cursor().execute("insert into ops.products select 2, 'SKU-2', 'Late', 1, 1, 7")
    connection.tpc_prepare()
    try:
        extract_date(world, today)
        load_stages(world, today)
        # When it began is not known, only that it was not before the last bound.
        assert bound_of(world, today) == bound(world, 1)
    finally:
        connection.tpc_commit()
        connection.close()
    tomorrow = today + dt.timedelta(days=1)
    extract_date(world, tomorrow)
    assert {row["product_id"] for row in data(world, "ops.products", tomorrow)} == {"2"}


def test_a_bound_stays_behind_the_clock_by_the_lag_and_never_goes_back(shop: World) -> None:
    today = dt.datetime.now(dt.UTC).date()
    with postgres.session(shop.operational_url, "operational", purpose=bounds.PURPOSE) as source:
        first = bounds.choose(source, shop.lake, today, instants.end_of(today), dt.timedelta(0))
        again = bounds.choose(source, shop.lake, today, instants.end_of(today), dt.timedelta(0))
        next_day = bounds.choose(
            source,
            shop.lake,
            today + dt.timedelta(days=1),
            instants.end_of(today + dt.timedelta(days=1)),
            dt.timedelta(hours=1),
        )
    assert first == again == next_day


def test_a_role_that_cannot_see_when_transactions_began_is_told_what_to_grant(shop: World, admin: str) -> None:
    database = database_of(shop.operational_url)
    with postgres.session(admin, "tests") as cursor:
        cursor.execute("drop role if exists reader")
        cursor.execute("create role reader login password 'reader'")
        cursor.execute(f"grant connect on database {database} to reader")
    shop.source("grant usage on schema ops to reader; grant select on all tables in schema ops to reader")
    host = shop.operational_url.rsplit("@", 1)[1]
    try:
        with postgres.session(f"postgresql://reader:reader@{host}", "operational", purpose=bounds.PURPOSE) as source:
            # SELECT is enough while nobody is in a transaction.
            bound = bounds.choose(source, shop.lake, date(1), instants.end_of(date(1)), dt.timedelta(0))
            extract.extract(source, shop.lake, SOURCE_TABLES["ops.products"], date(1), bound, config.settings())
            with psycopg2.connect(shop.simulator_url) as other, other.cursor() as cursor:
                cursor.execute("select 1")
                with pytest.raises(SourceUnsafe, match="grant pg_read_all_stats"):
                    bounds.choose(source, shop.lake, date(2), instants.end_of(date(2)), dt.timedelta(0))
            other.close()
    finally:
        with postgres.session(admin.removesuffix("postgres") + database, "tests") as cursor:
            cursor.execute("drop owned by reader; drop role reader")


def test_a_column_that_the_warehouse_needs_and_that_is_gone_is_named(shop: World) -> None:
    shop.source("alter table ops.customers rename column email to mail")
    with pytest.raises(SchemaDrift, match=r"ops\.customers, because its column email is not there"):
        extract_date(shop, date(1))


def test_a_table_that_is_gone_is_named(shop: World) -> None:
    shop.source("alter table ops.states rename to provinces")
    with pytest.raises(SchemaDrift, match=r"ops\.states, because the source has no such table"):
        extract_date(shop, date(1))


def test_a_new_column_comes_along_and_is_null_in_older_rows(shop: World) -> None:
    extract_date(shop, date(1))
    load_stages(shop, date(1))
    shop.source("alter table ops.products add column colour text default 'blue'")
    add_product(shop, 2, 5, at(2))
    extract_date(shop, date(2))
    load_stages(shop, date(2))
    assert shop.rows("select product_id, colour from stage.products") == {(1, None), (2, "blue")}


def test_a_widened_column_is_widened_in_stage(shop: World) -> None:
    extract_date(shop, date(1))
    load_stages(shop, date(1))
    shop.source("drop view retail.user_purchase")
    shop.source("alter table ops.order_lines alter column quantity type bigint")
    shop.source("alter table ops.products alter column unit_price type numeric(14, 4)")
    update(shop, "products", {"product_id": 1}, at(2), unit_price="1234567890.1234")
    add_order(shop, 1, at(2), 1)
    shop.source("update ops.order_lines set quantity = 2000000000")
    extract_date(shop, date(2))
    load_stages(shop, date(2))
    assert shop.warehouse("select quantity, pg_typeof(quantity)::text from stage.order_lines") == [
        (2000000000, "bigint")
    ]
    assert shop.warehouse("select max(unit_price)::text from stage.products_version") == [("1234567890.1234",)]


def test_a_type_that_the_warehouse_cannot_use_is_refused_by_name_and_loads_as_the_error_advises(shop: World) -> None:
    extract_date(shop, date(1))
    load_stages(shop, date(1))
    shop.source("alter table ops.suppliers alter column country type bytea using country::bytea")
    insert(shop, "suppliers", at(2), supplier_id=3, name="X", country=b"Peru")
    because = r"its column country is bytea, not a text; give the source a view of that name that casts it"
    with pytest.raises(SchemaDrift, match=because):
        extract_date(shop, date(2))
    shop.source("alter table ops.suppliers rename to all_suppliers")
    shop.source(
        "create view ops.suppliers as select supplier_id, name, contact_email, "
        "convert_from(country, 'UTF8') as country, created_ts, updated_ts from ops.all_suppliers"
    )
    extract_date(shop, date(2))
    load_stages(shop, date(2))
    assert shop.rows("select country from stage.suppliers") == {("USA",), ("UK",), ("Peru",)}


def test_gzip_extracts_load_as_well(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCEAN_COMPRESSION", "gz")
    config.settings.cache_clear()
    add_order(shop, 1, at(1), 1, 1)
    extract_date(shop, date(1))
    assert len(rows(shop, "ops.order_lines", 1)) == 2
    assert shop.lake.exists(f"{layout.folder('ops.order_lines', date(1))}/data.csv.gz")
    load_stages(shop, date(1))
    load_dimensions(shop)
    load_facts(shop)
    assert shop.warehouse("select sum(line_amount) from dwh.fact_order_line") == [(40,)]


def test_a_row_without_a_watermark_comes_along_from_a_view_that_allows_it(shop: World) -> None:
    shop.source("alter table ops.suppliers rename to all_suppliers")
    shop.source("create view ops.suppliers as select * from ops.all_suppliers")
    shop.source("alter table ops.all_suppliers alter column updated_ts drop not null")
    shop.source("update ops.all_suppliers set updated_ts = null where supplier_id = 2")
    extract_date(shop, date(1))
    assert {row["supplier_id"] for row in rows(shop, "ops.suppliers", 1)} == {"1", "2"}


def test_the_generated_ddl_runs(shop: World) -> None:
    extract_date(shop, date(1))
    folder = layout.folder("ops.orders", date(1))
    for schema in ("delta", "stage"):
        ddl = shop.lake.read(f"{folder}/create_{schema}.sql")
        assert ddl is not None
        shop.warehouse(ddl.decode())
    found = shop.warehouse(
        "select table_schema, count(*) from information_schema.columns where table_name = 'orders' "
        "group by table_schema order by table_schema"
    )
    assert found == [("delta", 9), ("stage", 9)]


def data(world: World, table: str, day: dt.date) -> list[dict[str, str]]:
    return rows(world, table, (day - OPENING.date()).days + 1)


def bound_of(world: World, day: dt.date) -> dt.datetime:
    return bound(world, (day - OPENING.date()).days + 1)


@pytest.mark.parametrize("compression", ["zst", "gz"])
def test_a_first_extract_tells_how_many_rows_it_has_of_about_how_many(
    shop: World, enter: Callable[[World], World], compression: str
) -> None:
    enter(shop.where(OCEAN_COMPRESSION=compression))
    for number in range(2, 42):
        add_product(shop, number, 5)
    shop.source("analyze ops.products")
    told: list[tuple[int, int, int | None]] = []
    with postgres.session(shop.operational_url, "operational", purpose=bounds.PURPOSE) as source:
        for day in (1, 2):
            bound = bounds.choose(source, shop.lake, date(day), instants.end_of(date(day)), dt.timedelta(0))
            extract.extract(
                source, shop.lake, SOURCE_TABLES["ops.products"], date(day), bound, config.settings(),
                lambda *so_far: told.append(so_far),
            )  # fmt: skip
            assert (told[-1][0] > 0, told[-1][2]) == (True, 41 if day == 1 else None)
            assert told[-1][1] == (41 if day == 1 else 0) + 1  # the header is a line too
        shop.source("create view ops.seen as select * from ops.products")
        assert extract.expected_rows(source, ["ops.products"]) == 41
        assert extract.expected_rows(source, ["ops.products", "ops.seen"]) is None
        assert extract.expected_rows(source, ["ops.products", "ops.nothing"]) is None
