"""The audit finds each planted error, by the check that is for it, and nothing in a warehouse that is right."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from support.feeds_world import classify, deliver_orders, deliver_reviews, running_api
from support.shop import add_order, add_product, at, date, open_shop, update
from support.world import ROOT, World, Worlds, secrets_of

PYTHON = ROOT / ".venv-audit/bin/python"
pytestmark = pytest.mark.skipif(
    not PYTHON.exists(), reason="needs the environment of `make audit`, which `make test` builds"
)


def audit(world: World, *words: str, expect: int, **environment: str) -> str:
    """Runs it as `make audit` does; returns what it printed."""
    command = [str(PYTHON), str(ROOT / "pipeline/audit/audited.py"), *words]
    variables = {**world.environment, **environment}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == expect, done.stdout + done.stderr
    return str(done.stdout + done.stderr)


def found(world: World, expect: int = 1) -> dict[str, list[str]]:
    """The places of the differences, by the check that found them."""
    checks: list[dict[str, Any]] = json.loads(audit(world, "--json", expect=expect))["checks"]
    return {
        check["check"]: [each["where"] for each in check["differences"]] for check in checks if check["differences"]
    }


@pytest.fixture(scope="module")
def loaded(worlds: Worlds) -> World:
    """A shop of two days: a new price, a delivered and a lost order, and a line whose order is not in the source."""
    world = worlds.new()
    open_shop(world)
    add_product(world, 2, 5, at(1))
    for order in range(1, 5):
        add_order(world, order, at(1, 10 + order), 1, 2)
    world.load(date(1))
    update(world, "products", {"product_id": 1}, at(2, 6), unit_price=12)
    update(world, "orders", {"order_id": 1}, at(2, 7), delivered_ts=at(2, 7))
    update(world, "orders", {"order_id": 2}, at(2, 7), order_status_id=2)
    add_order(world, 5, at(2, 10), 1)
    world.load(date(2))
    return world


# Each is of a row of its own, and seen by one check: that, where, and what plants it.
ALONE = [
    ("fact_orders", "1", "update dwh.fact_order set customer_key = -1 where order_id = 1"),
    ("fact_orders", "2", "update dwh.fact_order set ordered_date_key = 20260103 where order_id = 2"),
    ("fact_orders", "3", "update dwh.fact_order set order_amount = order_amount + 0.01 where order_id = 3"),
    ("fact_orders", "4", "update dwh.fact_order set is_deleted = true where order_id = 4"),
    (
        "fact_order_lines",
        "3/1",
        "update dwh.fact_order_line set product_key = (select product_key from dwh.dim_product "
        "where product_id = 1 and is_current) where order_id = 3 and line_number = 1",
    ),
    ("fact_order_lines", "3/2", "delete from dwh.fact_order_line where order_id = 3 and line_number = 2"),
    (
        "doubled",
        "5",
        "alter table dwh.fact_order drop constraint fact_order_pkey; "
        "insert into dwh.fact_order select * from dwh.fact_order where order_id = 5",
    ),
    (
        "price_versions_of_lake",
        "1 from 2026-01-02 06:00:00",
        "update dwh.dim_product set unit_price = 13 where product_id = 1 and is_current",
    ),
    ("members_customer", "1", "update dwh.dim_customer set last_name = 'B.' where customer_id = 1"),
    ("dates", "20260105", "update dwh.dim_date set is_weekend = not is_weekend where date_key = 20260105"),
    ("unknown_members", "dim_supplier", "delete from dwh.dim_supplier where supplier_key = -1"),
    (
        "queue",
        "fact_order 3",
        "insert into etl.reprocessing_queue (fact_table, business_key, dimension) "
        "values ('fact_order', '3', 'dim_date')",
    ),
    (
        "lake_markers",
        "LoadStage(stage.ops.orders, 2026-01-09)",
        "insert into etl.marker values ('LoadStage(stage.ops.orders, 2026-01-09)', 'stage.ops.orders', '2026-01-09')",
    ),
    (
        "lake_loaded",
        "extract/ops.orders/date=2026-01-01",
        "delete from etl.stage_load where folder = 'extract/ops.orders/date=2026-01-01'",
    ),
    ("mart_customer_quarters", "2026-01-01/everywhere", "delete from mart.agg_customer_quarter where country <> 'USA'"),
]
# What is made of these is wrong too: what is planted, and the checks that see it.
WITH_MORE = [
    (
        "update dwh.dim_product set valid_from = valid_from + interval '1 minute' where product_id = 1 and is_current",
        {"price_versions", "price_versions_of_lake"},
    ),
    (
        "update dwh.dim_product set valid_to = valid_to + interval '1 minute' where product_id = 1 and not is_current",
        {"price_versions", "price_versions_of_lake"},
    ),
    ("update mart.agg_order_month set sales = sales + 1", {"mart_order_months", "kpi_months", "kpi_month_countries"}),
    ("delete from mart.agg_customer_month", {"mart_customer_months", "kpi_months"}),
    ("update mart.agg_product_month set orders = orders + 1", {"mart_product_months", "kpi_products"}),
    (
        "update stage.orders set order_status_id = 2 where order_id = 3",
        {"source_and_stage orders", "stage_of_lake orders", "fact_orders"},
    ),
    (
        "update mart.order_status set is_lost = false",
        {"mart_statuses", "kpi_months", "kpi_month_countries", "kpi_quarters", "kpi_products", "kpi_subtypes"},
    ),
]


def test_a_warehouse_that_is_right_passes_all(loaded: World) -> None:
    said = audit(loaded, expect=0)
    assert "no difference" in said
    assert "left out" not in said


def test_errors_in_the_warehouse_are_found_each_by_its_check_and_nothing_else_is(worlds: Worlds, loaded: World) -> None:
    world = replace(loaded, warehouse_url=worlds.copy_warehouse(loaded))
    for *_, statement in ALONE:
        world.warehouse(statement)
    wanted: dict[str, list[str]] = {}
    for check, where, _ in ALONE:
        wanted.setdefault(check, []).append(where)
    told = found(world)
    assert told.pop("kpi_quarters") == ["2026-01-01/USA"]  # shows everywhere's customers too
    assert told == wanted


@pytest.mark.parametrize(("statement", "checks"), WITH_MORE)
def test_an_error_is_found_in_what_is_made_of_it(
    worlds: Worlds, loaded: World, statement: str, checks: set[str]
) -> None:
    world = replace(loaded, warehouse_url=worlds.copy_warehouse(loaded))
    world.warehouse(statement)
    told = set(found(world))
    assert checks <= told
    assert {each for each in told - checks if not each.startswith(("mart", "kpi"))} == set()


def in_lake(world: World, change: Callable[[bytes], bytes]) -> None:
    key = "extract/ops.orders/date=2026-01-01/data.csv.zst"
    world.lake.write(key, change(world.lake.read(key) or b""))


def test_errors_in_the_lake_and_in_the_source_are_found(worlds: Worlds, loaded: World) -> None:
    world = worlds.copy_all(loaded)
    world.lake.delete(["extract/ops.products/date=2026-01-02/_SUCCESS"])
    world.source("update ops.customers set last_name = 'Lovelace' where customer_id = 1")
    world.source("delete from ops.order_lines where order_id = 4 and line_number = 2")
    add_order(world, 6, at(1, 5), 2)  # below the bound
    told = found(world)
    assert told["lake_loaded"] == ["extract/ops.products/date=2026-01-02"]
    assert told["lake_markers"] == ["LoadStage(stage.ops.products, 2026-01-02)"]
    assert told["source_and_stage customers"] == ["1"]
    assert told["source_and_stage order_lines"] == ["4/2", "6/1"]
    assert told["source_and_stage orders"] == ["6"]


def test_a_byte_of_an_extract_and_a_gap_between_extracts_are_found(worlds: Worlds, loaded: World) -> None:
    world = worlds.copy_lake(loaded, worlds.copy_warehouse(loaded))
    in_lake(world, lambda data: data + b"\0\0\0")
    key = "extract/ops.customers/date=2026-01-02/metadata.json"
    world.lake.write(
        key, (world.lake.read(key) or b"").replace(b'"2026-01-02T00:00:00+00:00"', b'"2026-01-02T01:00:00+00:00"')
    )
    told = audit(world, "--only", "lake", expect=1)
    assert "lake_hashes: " in told
    assert "lake_windows: " in told
    assert (
        "extract/ops.customers/date=2026-01-02: begins 2026-01-02 01:00:00, and not begins 2026-01-02 00:00:00" in told
    )


def test_what_changed_since_the_load_is_no_difference(worlds: Worlds, loaded: World) -> None:
    world = worlds.copy_all(loaded)
    add_order(world, 6, at(3, 5), 2)
    update(world, "orders", {"order_id": 3}, at(3, 5), order_status_id=2)
    assert found(world, expect=0) == {}


def test_names_of_the_source_and_of_the_lake_are_data(worlds: Worlds, loaded: World) -> None:
    world = worlds.copy_all(loaded)
    world.source("""alter table ops.orders add "it's ""odd""; drop" text""")
    add_order(world, 6, at(3, 5), 2)
    world.load(date(3))
    folder = "extract/ops.states/date=2026-01-01/un'til"
    text = (world.lake.read("extract/ops.states/date=2026-01-01/metadata.json") or b"").replace(
        b"data.csv", b"da'ta.csv"
    )
    for name, content in (("metadata.json", text), ("_SUCCESS", b"{}"), ("da'ta.csv.zst", b"")):
        world.lake.write(f"{folder}/{name}", content)
    told = found(world)
    assert told == {
        "lake_hashes": [folder],
        "lake_loaded": [folder],
        "lake_windows": ["extract/ops.states/date=2026-01-01/un'til"],
    }


def test_what_cannot_be_read_is_said_without_a_secret(loaded: World) -> None:
    said = audit(
        loaded,
        expect=2,
        WAREHOUSE_URL=loaded.warehouse_url.replace("/warehouse", "/nowhere", 1).replace("127.0.0.1", "127.0.0.9"),
    )
    assert "cannot audit, because the warehouse cannot be read" in said
    assert not [secret for secret in secrets_of(loaded.home) if secret in said]


@pytest.fixture(scope="module")
def fed(worlds: Worlds, loaded: World) -> World:
    """That shop with what vendors have of its second day: for a customer who is known, and for one who is not yet."""
    with running_api() as api:
        api.answer = [{"customer_id": customer, "risk_score": 60} for customer in (1, 7)]
        world = worlds.copy_all(loaded).where(RISK_API_URL=api.url, OCEAN_REVIEW_CLASSIFIER="keyword")
        deliver_reviews(world, 2, (1, "good"), (1, "bad"), (7, "good"))
        deliver_orders(world, 2, *(f"P{customer},{customer},I1,Song,26-01-02 10:00:00" for customer in (1, 7)))
        classify(world, 2)
        add_order(world, 6, at(3, 10), 2)
        world.load(date(3))
    return world


# What is planted in the rows of feeds, and the checks that see it.
OF_FEEDS = [
    ("update dwh.fact_partner_order set customer_key = -1", {"fact_partner_orders"}),
    ("delete from dwh.fact_review where customer_key = -1", {"fact_reviews"}),
    ("update mart.agg_review_month set reviews = reviews + 1", {"mart_review_months"}),
    ("update mart.agg_risk_customer set customers = customers + 1", {"mart_risk_customers", "kpi_risk_bands"}),
]


def test_with_feeds_nothing_is_found_but_what_is_planted(worlds: Worlds, fed: World) -> None:
    assert found(fed, expect=0) == {}
    world = worlds.copy(fed)
    for error, _ in OF_FEEDS:
        world.warehouse(error)
    assert set(found(world)) == set().union(*(checks for _, checks in OF_FEEDS))
