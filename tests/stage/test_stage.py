"""What stage holds after replays, older extracts and rows that cannot be kept; their kinds are in tests/bad_inputs."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from support.loads import extract_date, load_stages, locks_waited_for
from support.shop import OPENING, add_product, at, date, insert, update
from support.world import World

from pipeline.catalog import SOURCE_TABLES
from pipeline.kernel import locks, postgres
from pipeline.kernel.errors import BadExtract, ConfigError, TooManyRejected
from pipeline.kernel.rejected import Allowance
from pipeline.source import layout
from pipeline.stage import loads, merge, taken
from pipeline.tasks.load_table import LoadStage

PRODUCTS = ["ops.products"]


def stage_products(world: World) -> set[tuple[object, ...]]:
    return world.rows("select product_id, unit_price::float from stage.products")


def test_the_newest_row_of_a_key_wins_whatever_the_order_of_the_extracts(shop: World) -> None:
    for day, price in ((1, 10), (2, 11), (3, 12)):
        update(shop, "products", {"product_id": 1}, at(day), unit_price=price)
        extract_date(shop, date(day), PRODUCTS)
    load_stages(shop, date(3), PRODUCTS)
    load_stages(shop, date(1), PRODUCTS)
    load_stages(shop, date(2), PRODUCTS)
    assert stage_products(shop) == {(1, 12.0)}
    history = shop.rows("select updated_ts, unit_price::float from stage.products_version")
    assert history == {(at(1), 10.0), (at(2), 11.0), (at(3), 12.0)}


def test_an_older_extract_does_not_set_back_how_far_stage_is(shop: World) -> None:
    for day in (1, 2):
        extract_date(shop, date(day), PRODUCTS)
        load_stages(shop, date(day), PRODUCTS)
    load_stages(shop, date(1), PRODUCTS)
    assert shop.warehouse("select loaded_to from etl.stage_batch") == [(at(3, 0),)]


def test_of_two_dates_that_load_a_table_at_once_the_second_one_waits_and_loads_the_rest(shop: World) -> None:
    for day in (1, 2):
        add_product(shop, 10 + day, 5, at(day))
        extract_date(shop, date(day), PRODUCTS)
    first = layout.metadata(shop.lake, "ops.products", date(1))
    assert first
    with ThreadPoolExecutor(1) as pool, postgres.transaction(shop.warehouse_url, "warehouse") as cursor:
        locks.lock(cursor, "stage.products")
        merge.Load(cursor, shop.lake, SOURCE_TABLES["ops.products"], first, Allowance(0.01, 0)).run()
        waiting = pool.submit(LoadStage(date(2), table="ops.products").run)
        assert locks_waited_for(shop, waiting) == [("advisory", "ExclusiveLock")]
    waiting.result()
    assert shop.rows("select product_id from stage.products") == {(1,), (11,), (12,)}
    assert shop.rows("select loaded_to from etl.stage_batch") == {(at(3, 0),)}


def test_a_replay_changes_nothing_not_even_the_batch(shop: World) -> None:
    extract_date(shop, date(1), PRODUCTS)
    load_stages(shop, date(1), PRODUCTS)
    before = shop.warehouse("select * from stage.products, etl.stage_batch")
    load_stages(shop, date(1), PRODUCTS)
    assert shop.warehouse("select * from stage.products, etl.stage_batch") == before


def test_a_doubled_row_in_an_extract_loads_once(shop: World) -> None:
    shop.source("alter table ops.suppliers rename to one_supplier")
    shop.source("create view ops.suppliers as select * from ops.one_supplier union all select * from ops.one_supplier")
    extract_date(shop, date(1), ["ops.suppliers"])
    load_stages(shop, date(1), ["ops.suppliers"])
    assert shop.warehouse("select count(*) from stage.suppliers") == [(2,)]


def nullable_suppliers(shop: World, spoilt: int) -> None:
    """A source whose suppliers are a view without constraints, the first `spoilt` of 400 without updated_ts."""
    for supplier_id in range(3, 401):
        insert(shop, "suppliers", OPENING, supplier_id=supplier_id, name="S", country="X")
    shop.source("alter table ops.suppliers rename to all_suppliers")
    shop.source(
        "create view ops.suppliers as select supplier_id, name, contact_email, country, created_ts, "
        f"case when supplier_id > {spoilt} then updated_ts end as updated_ts from ops.all_suppliers"
    )


def test_a_row_that_cannot_be_kept_is_rejected_with_its_reason_and_the_rest_loads(shop: World) -> None:
    nullable_suppliers(shop, spoilt=2)
    extract_date(shop, date(1), ["ops.suppliers"])
    load_stages(shop, date(1), ["ops.suppliers"])
    assert shop.warehouse("select count(*), min(supplier_id) from stage.suppliers") == [(398, 3)]
    rejected = shop.warehouse("select source, date, reason, \"row\"::jsonb -> 'supplier_id' from etl.rejected_row")
    assert {(source, day, reason) for source, day, reason, _ in rejected} == {
        ("ops.suppliers", date(1), "updated_ts is missing")
    }
    assert {supplier for *_, supplier in rejected} == {1, 2}


def test_too_many_rejected_rows_fail_the_load(shop: World) -> None:
    nullable_suppliers(shop, spoilt=5)
    extract_date(shop, date(1), ["ops.suppliers"])
    with pytest.raises(TooManyRejected, match=r"5 of 400 rows cannot be kept \(updated_ts is missing\)"):
        load_stages(shop, date(1), ["ops.suppliers"])
    assert shop.warehouse("select count(*) from etl.rejected_row") == [(0,)]


def test_a_later_date_loads_what_an_earlier_one_extracted_and_never_loaded(shop: World) -> None:
    for day in (1, 2, 3, 4):
        add_product(shop, 10 + day, 5, at(day))
        extract_date(shop, date(day), PRODUCTS)
    table = SOURCE_TABLES["ops.products"]

    def due(day: int) -> list[str]:
        found = layout.metadata(shop.lake, "ops.products", date(day))
        assert found is not None
        with postgres.session(shop.warehouse_url, "tests") as cursor:
            return [each.date for each in loads.unloaded(cursor, shop.lake, table, found, [])]

    assert due(2) == ["2026-01-01", "2026-01-02"]
    load_stages(shop, date(1), PRODUCTS)
    assert due(2) == ["2026-01-02"]
    assert due(4) == ["2026-01-02", "2026-01-03", "2026-01-04"]
    load_stages(shop, date(3), PRODUCTS)  # leaves a gap, so what comes after it does not close it
    assert due(4) == ["2026-01-02", "2026-01-03", "2026-01-04"]
    shop.lake.client.delete_object(
        Bucket=shop.lake.bucket, Key=f"{shop.lake.prefix}/{layout.folder('ops.products', date(2))}/_SUCCESS"
    )
    with pytest.raises(BadExtract, match=r"no extract on s3://.* lies between"):
        due(4)


def test_what_is_loaded_for_a_star_in_postgresql_is_not_gone_on_with_on_the_lake_alone(shop: World) -> None:
    products = SOURCE_TABLES["ops.products"]
    extract_date(shop, date(1), PRODUCTS)
    load_stages(shop, date(1), PRODUCTS)
    with postgres.session(shop.warehouse_url, "tests") as cursor:
        taken.require(cursor, products, on_lake=False)
        with pytest.raises(ConfigError, match="what was loaded before is on PostgreSQL; set star back, or run Rebuild"):
            taken.require(cursor, products, on_lake=True)
