"""Source and the lake's stage compared: each kind of difference is found down to its key, and nothing else is one."""

import datetime as dt
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import pytest
from faults.disturbed import FAULTS
from support.feeds_world import run, settings_of
from support.loads import create_source, create_warehouse, extract_date, load_stages
from support.shop import OPENING, add_order, add_product, at, date, insert, open_shop, update
from support.world import World

from lakehouse.lake_world import load_lake, take
from pipeline.catalog import SOURCE_TABLES
from pipeline.kernel import config, postgres
from pipeline.kernel.errors import SchemaDrift, SourceDiffers, SparkFailed, TooManyDeleted
from pipeline.lakehouse import reconcile_lake
from pipeline.stage import repairs
from pipeline.tasks.reconcile_source import ReconcileSource
from pipeline.trust import deletions, reconcile, repairing
from pipeline.trust.reconcile import Difference

ZONE = "America/New_York"
# The source's own types: times of a zone that they do not name, numbers without limits, texts with blanks at the end.
TYPES = f"""
alter table ops.suppliers alter column updated_ts type timestamp(3) using updated_ts at time zone '{ZONE}';
alter table ops.orders alter column delivered_ts type timestamp using delivered_ts at time zone '{ZONE}';
alter table ops.products alter column unit_price type numeric;
alter table ops.payment_methods alter column payment_method_id type numeric(12, 2);
alter table ops.states alter column name type character(20);
alter table ops.customers alter column registered_on type timestamptz
"""
ODD = 'O\'Br\\ien, "é"\r\n\t\U0001f40b; drop table x; -- %s {0} :name'
UNIT = "\x1f"  # between the texts that are hashed
DELIVERED = dt.datetime(2026, 1, 1, 10, 0, 0, 123456)
# A row for each, loaded as the first and changed to the second, which is another one only if `differs`.
CHANGES: Mapping[str, tuple[str, dict[str, Any], dict[str, Any], bool]] = {
    "no text": ("customers", {"email": None}, {"email": ""}, True),
    "an empty text": ("customers", {"email": ""}, {"email": None}, True),
    "what stands for no text": ("customers", {"email": "~"}, {"email": None}, True),
    "what stands between texts": (
        "customers",
        {"first_name": f"a{UNIT}=b", "last_name": "c"},
        {"first_name": "a", "last_name": f"b{UNIT}=c"},
        True,
    ),
    "an odd text": ("customers", {"first_name": ODD}, {"first_name": ODD.replace("\r", "")}, True),
    "a blank": ("customers", {"first_name": "a "}, {"first_name": "a"}, True),
    "letters of another size": ("customers", {"first_name": "Ä"}, {"first_name": "ä"}, True),
    "a day": ("customers", {"birth_date": dt.date(3, 2, 1)}, {"birth_date": dt.date(3, 2, 2)}, True),
    "an hour of a day": ("customers", {"registered_on": at(1, 3)}, {"registered_on": at(1, 4)}, False),
    "decimals that say nothing": ("products", {"unit_price": "10.5"}, {"unit_price": "10.500000000000"}, False),
    "a sign": ("products", {"unit_price": "-3.250"}, {"unit_price": "3.25"}, True),
    "the last decimal": ("products", {"unit_price": "0.000000001"}, {"unit_price": "0.000000002"}, True),
    "the largest amount": (
        "products",
        {"unit_price": "999999999999999999.999999999"},
        {"unit_price": "-999999999999999999.999999999"},
        True,
    ),
    "a microsecond": (
        "orders",
        {"delivered_ts": DELIVERED},
        {"delivered_ts": DELIVERED + dt.timedelta(microseconds=1)},
        True,
    ),
    "an instant of old": (
        "orders",
        {"ordered_ts": dt.datetime(1900, 1, 1, tzinfo=dt.UTC)},
        {"ordered_ts": at(1)},
        True,
    ),
    "what is true": ("order_statuses", {"is_lost": True}, {"is_lost": False}, True),
}
ROWS: dict[str, dict[str, Any]] = {
    "customers": {"first_name": "Ada", "last_name": "Byron", "registered_on": date(1)},
    "products": {"name": "Record", "product_subtype_id": 1, "supplier_id": 1, "unit_price": 10},
    "orders": {"customer_id": 1, "address_id": 1, "payment_method_id": 1, "order_status_id": 1, "ordered_ts": at(1)},
    "order_statuses": {"name": "new", "is_lost": False},
}
NOTHING: tuple[list[Any], list[Any], list[Any]] = ([], [], [])


def compare(
    *tables: str, meanwhile: Callable[[], object] = lambda: None, zone: str = "", is_exact: bool = False
) -> tuple[dict[str, Difference], int]:
    """The differences by table where there are some, and how many jobs ran; `meanwhile` happens before each ends."""
    jobs = 0

    def job(selects: Mapping[str, str]) -> Mapping[str, list[list[Any]]]:
        nonlocal jobs
        jobs += 1
        found = load_lake(compared=selects).compared
        meanwhile()
        return found

    settings = config.settings()
    with (
        postgres.session(settings.operational_url, "operational") as source,
        postgres.transaction(settings.warehouse_url, "warehouse") as warehouse,
    ):
        found = reconcile_lake.compare(
            source,
            warehouse,
            job,
            [SOURCE_TABLES[name] for name in tables or SOURCE_TABLES],
            settings.lakehouse.prefix,
            zone,
            is_exact=is_exact,
        )
    return {each.table.short: each for each in found if not each.is_none}, jobs


def keys(found: Mapping[str, Difference]) -> dict[str, tuple[list[Any], list[Any], list[Any]]]:
    """Missing, changed and vanished keys by table."""
    return {name: (each.missing, each.changed, each.vanished) for name, each in found.items()}


def load(world: World, day: int) -> None:
    with settings_of(world):
        extract_date(world, date(day))
        load_stages(world, date(day))


def repair(world: World, day: int, found: Mapping[str, Difference]) -> None:
    """Loads the repair of what differs into stage of PostgreSQL, after which the lake takes it in."""
    for each in found.values():
        with (
            postgres.session(world.operational_url, "operational") as source,
            postgres.transaction(world.warehouse_url, "warehouse") as warehouse,
        ):
            bound = reconcile.loaded_to(warehouse, each.table)
            assert bound
            made = repairing.extract_again(source, world.lake, config.settings(), date(day), each, bound)
            repairs.load(warehouse, world.lake, each.table, made)


def key_of(table: str) -> str:
    [key] = SOURCE_TABLES[f"ops.{table}"].key
    return key


@pytest.mark.skipif(FAULTS <= 10, reason="make nightly runs it")
def test_values_of_any_kind_are_the_same_until_one_of_them_changes(both: World) -> None:
    world = both.where(OCEAN_SOURCE_ZONE=ZONE)
    open_shop(world)
    world.source(TYPES)
    create_warehouse(world)
    for number, (table, before, _, _) in enumerate(CHANGES.values(), 10):
        row = {key_of(table): number, **ROWS[table], **({"sku": number} if table == "products" else {}), **before}
        insert(world, table, OPENING, **row)
    load(world, 1)
    with settings_of(world):
        found, jobs = compare(zone=ZONE)
        assert keys(found) == {}
        assert jobs == 1
        expected: dict[str, tuple[list[Any], list[Any], list[Any]]] = {}
        for number, (table, _, after, differs) in enumerate(CHANGES.values(), 10):
            sets = ", ".join(f"{name} = %s" for name in after)
            world.source(f"update ops.{table} set {sets} where {key_of(table)} = {number}", list(after.values()))
            if differs:
                expected.setdefault(table, ([], [], []))[1].append((number,))
        found, jobs = compare(zone=ZONE)
        assert keys(found) == expected
        assert jobs == 2
        repair(world, 1, found)
        assert compare(zone=ZONE) == ({}, 1)


@pytest.mark.skipif(FAULTS <= 10, reason="make nightly runs it")
def test_differences_are_found_down_to_their_keys_and_what_moved_is_none(both: World) -> None:
    open_shop(both)
    create_warehouse(both)
    insert(both, "states", OPENING, state_code="O'R\"\\\n", name="Oregon")
    insert(both, "states", OPENING, state_code="é", name="Elsewhere")
    for order in range(1, 5):
        add_order(both, order, at(1), 1)
    load(both, 1)
    assert keys(compare()[0]) == {}
    # What came later, of rows that stage has and of others.
    update(both, "states", {"state_code": "O'R\"\\\n"}, at(2), name="Later")
    update(both, "orders", {"order_id": 1}, at(2), order_status_id=2)
    add_order(both, 5, at(2), 1)
    found, jobs = compare()
    assert keys(found) == {}
    assert jobs == 1
    # What came before, and was not seen.
    both.source("update ops.states set name = 'Kalifornien' where state_code = 'CA'")
    insert(both, "states", OPENING, state_code="'; --", name="Nowhere")
    both.source("delete from ops.states where state_code = 'é'")
    both.source("delete from ops.order_lines where order_id = 3")
    add_order(both, 6, at(1), 1)
    both.source("update ops.order_lines set quantity = 9 where order_id = 2")
    expected = {
        "states": ([("'; --",)], [("CA",)], [("é",)]),
        "orders": ([(6,)], [], []),
        "order_lines": ([(6, 1)], [(2, 1)], [(3, 1)]),
    }
    found, jobs = compare()
    assert keys(found) == expected
    assert jobs == 2
    assert {name: (each.source_rows, each.stage_rows, each.present) for name, each in found.items()} == {
        "states": (2, 2, 3),
        "orders": (4, 3, 4),
        "order_lines": (4, 4, 4),
    }
    # At one position of the source's log nothing is left out.
    exact, _ = compare("ops.orders", "ops.states", is_exact=True)
    assert keys(exact) == {
        "orders": ([(5,), (6,)], [(1,)], []),
        "states": ([("'; --",)], [("CA",), ("O'R\"\\\n",)], [("é",)]),
    }
    # How many rows stage holds is known from the lake, not from PostgreSQL.
    both.warehouse("delete from stage.states")
    strict = config.settings()
    with postgres.session(both.warehouse_url, "warehouse") as warehouse:
        deletions.require_few(warehouse, date(1), found.values(), strict)
        found["states"].present = 1
        with pytest.raises(TooManyDeleted, match=r"all 1 rows of ops\.states vanished"):
            deletions.require_few(warehouse, date(1), found.values(), strict)


@pytest.mark.skipif(FAULTS <= 10, reason="make nightly runs it")
def test_rows_that_cannot_be_kept_and_what_changes_during_the_job(both: World, monkeypatch: pytest.MonkeyPatch) -> None:
    open_shop(both)
    both.source("alter table ops.products alter column unit_price type numeric")
    both.source("alter table ops.payment_methods alter column payment_method_id type numeric")
    create_warehouse(both)
    # Stage in PostgreSQL could keep all but the first.
    prices = {5: "NaN", 6: "1e18", 7: "0.0000000001"}
    for number, price in prices.items():
        add_product(both, number, Decimal(price), at(1))  # type: ignore[arg-type]
    insert(both, "customers", at(1), customer_id=-1, first_name="No", last_name="One", registered_on=date(1))
    insert(both, "payment_methods", at(1), payment_method_id=Decimal("2.5"), name="Cash")
    load(both.where(OCEAN_MAX_REJECTED="1"), 1)
    found, jobs = compare()
    assert keys(found) == {}
    assert jobs == 2
    both.source("update ops.products set unit_price = 5 where product_id in (5, 6)")
    both.source("update ops.products set unit_price = 0.00000000001 where product_id = 7")
    found, _ = compare("ops.products")
    assert keys(found) == {"products": ([(5,), (6,)], [], [])}
    repair(both, 1, found)
    # Row after row changes while a job runs: none of them is a difference.
    later = iter(range(1, 9))

    def change() -> None:
        update(both, "suppliers", {"supplier_id": next(later)}, at(2), name="Reef")

    found, jobs = compare("ops.products", "ops.suppliers", meanwhile=change)
    assert keys(found) == {}
    assert jobs == 2
    # More keys changed than a statement takes, and more differ than one job reports.
    monkeypatch.setattr(reconcile_lake, "MOST_MOVED", 1)
    monkeypatch.setattr(reconcile_lake, "MOST_KEYS", 1)
    both.source("update ops.order_statuses set is_lost = not is_lost")
    found, jobs = compare("ops.suppliers", "ops.order_statuses")
    assert keys(found) == {"order_statuses": ([], [(1,), (2,)], [])}
    assert jobs == 5


def test_the_answers_of_an_earlier_job_are_not_taken(world: World) -> None:
    create_source(world)
    create_warehouse(world)
    asked = []

    def job(selects: Mapping[str, str]) -> Mapping[str, list[list[Any]]]:
        asked.append(selects)
        return {name: [] for name in asked[0]} if len(asked) == 2 else {"ops.suppliers": [[1, 1, "1"]]}

    with (
        postgres.session(world.operational_url, "operational") as source,
        postgres.session(world.warehouse_url, "warehouse") as warehouse,
    ):
        suppliers = [SOURCE_TABLES["ops.suppliers"]]
        [found] = reconcile_lake.compare(source, warehouse, job, suppliers, "ocean_")
        assert found.is_none
        assert len(asked) == 2
        with pytest.raises(SparkFailed, match="the job's report has no answer"):
            reconcile_lake.compare(source, warehouse, job, suppliers, "ocean_")
        assert reconcile_lake.compare(source, warehouse, job, [], "ocean_") == []


def test_the_task_repairs_stage_on_the_lake(world: World, warmed: Callable[[World], World]) -> None:
    alone = warmed(world.where(OCEAN_STAR="lake"))
    open_shop(alone)
    create_warehouse(alone)
    add_order(alone, 1, at(1), 1, 1)
    extract_date(alone, date(1))
    take(alone, date(1))
    alone.source("update ops.suppliers set name = 'Reef' where supplier_id = 1")
    alone.source("delete from ops.order_lines where line_number = 2")
    with pytest.raises(SourceDiffers, match=r"ops\.order_lines, ops\.suppliers differ"):
        run(alone, ReconcileSource(date(1)))
    found = "select table_name, kind, key from etl.difference"
    assert alone.rows(found) == {("ops.order_lines", "vanished", "[1, 2]"), ("ops.suppliers", "changed", "[1]")}
    assert run(alone, ReconcileSource(date(1), repair=True)) is None
    assert alone.rows(found) == set()
    assert alone.rows("select table_name, rows from etl.deletion") == {("ops.order_lines", 1)}
    report = load_lake(
        compared={
            "supplier": "select name from oceanrecords_dwh.dim_supplier where supplier_id = 1",
            "lines": "select line_number from oceanrecords_dwh.fact_order_line where not is_deleted",
        }
    )
    assert report.compared == {"supplier": [["Reef"]], "lines": [[1]]}
    # A table that cannot be used stops no other, and one that was emptied is not marked.
    alone.source("alter table ops.states rename name to title; delete from ops.order_lines")
    with pytest.raises(TooManyDeleted, match=r"all 1 rows of ops\.order_lines vanished"):
        run(alone, ReconcileSource(date(1), repair=True))
    assert alone.rows(found) == {("ops.order_lines", "vanished", "[1, 1]")}
    with pytest.raises(SchemaDrift, match=r"its column name is not there"):
        run(alone, ReconcileSource(date(1)))
