"""Which datasets a task reads and writes, under any settings."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.catalog import DIMENSIONS, FACTS, SOURCE_TABLES, TASKS, VENDOR_FEEDS
from pipeline.events.movements import Movement, Movements
from pipeline.events.places import Place, Places
from pipeline.kernel import config
from pipeline.kernel.config import Settings
from pipeline.lineage import warehouse
from pipeline.lineage.graph import Kind

TARGETS: dict[str, Iterable[str]] = {
    "ExtractTable": SOURCE_TABLES,
    "LoadStage": SOURCE_TABLES,
    "LoadFeed": VENDOR_FEEDS,
    "LoadDimension": DIMENSIONS,
    "LoadFact": FACTS,
}
MOVING: list[tuple[str, str]] = [
    *((family, target) for family, moves in TASKS.items() for target in TARGETS.get(family, [moves.table])),
    ("LoadMart", ""),
]


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Settings]:
    """Settings of a source, a warehouse and a lake that nobody connects to."""
    monkeypatch.setenv("OCEAN_HOME", str(tmp_path))
    monkeypatch.setenv("OPERATIONAL_URL", "postgresql://me:hunter2@source/shop")
    monkeypatch.setenv("WAREHOUSE_URL", "postgresql://me:hunter2@target:5433/wh?sslmode=require")
    monkeypatch.setenv("RISK_API_URL", "https://me:hunter2@risk.example/scores?key=hunter2")
    monkeypatch.setenv("LAKE_URL", "s3://lake/ocean")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AK")
    config.settings.cache_clear()
    yield config.settings()
    config.settings.cache_clear()


def datasets(movement: Movement) -> list[Place]:
    return [*movement.inputs, *(output.place for output in movement.outputs)]


@pytest.mark.parametrize(("family", "target"), MOVING)
def test_a_task_that_moves_rows_has_datasets_without_logins(settings: Settings, family: str, target: str) -> None:
    found = Movements(settings).of_task(family, target)
    assert found.inputs
    assert found.outputs
    assert len(set(datasets(found))) == len(datasets(found))
    assert "hunter2" not in str(found)
    assert "me@" not in str(found)
    for output in found.outputs:
        assert {place for behind in output.columns.values() for place, _ in behind} <= {*found.inputs}


def test_a_relation_of_dwh_or_the_mart_is_written_by_one_kind_of_task(settings: Settings) -> None:
    written = [
        output.place for family, target in MOVING for output in Movements(settings).of_task(family, target).outputs
    ]
    of_star = [place.name for place in written if place.name.startswith(("wh.dwh.", "wh.mart."))]
    assert sorted(of_star) == sorted(set(of_star))
    edges = warehouse.of_warehouse().edges
    dwh = {edge.target.relation for edge in edges if edge.target.relation.startswith("dwh.")}
    assert {f"wh.{name}" for name in dwh} <= {*of_star}


def test_places_have_the_names_of_openlineage(settings: Settings) -> None:
    places = Places(settings)
    assert places.in_source("ops.orders") == [Place("postgres://source:5432", "shop.ops.orders")]
    assert places.in_warehouse("dwh.fact_order") == Place("postgres://target:5433", "wh.dwh.fact_order")
    assert places.extract("ops.orders") == Place("s3://lake", "ocean/extract/ops.orders")
    assert places.feed("partner_orders") == Place("s3://lake", "ocean/landing/partner_orders")
    assert places.scores() == [Place("https://risk.example", "/scores")]


@pytest.mark.parametrize(
    ("url", "namespace"),
    [
        ("postgresql:///wh?host=/run/postgresql", "postgres://localhost:5432"),
        ("postgresql://me:hunter2@a,b:5433/wh", "postgres://a:5432"),
        ("postgresql://me:hunter2@[::1]:5433/wh", "postgres://[::1]:5433"),
    ],
)
def test_a_database_at_a_socket_or_at_several_hosts_has_a_namespace(
    settings: Settings, url: str, namespace: str
) -> None:
    found = Places(replace(settings, warehouse_url=url)).in_warehouse("dwh.fact_order")
    assert found == Place(namespace, "wh.dwh.fact_order")


def test_columns_that_decide_about_all_columns_are_behind_each_of_them(settings: Settings) -> None:
    stage = Movements(settings).of_task("LoadStage", "ops.orders").outputs[0]
    orders = Places(settings).extract("ops.orders")
    assert stage.columns["customer_id"] == {
        (orders, "customer_id"): Kind.VALUE,
        (orders, "order_id"): Kind.CONDITION,
        (orders, "updated_ts"): Kind.CONDITION,
    }


def test_where_changes_are_read_from_the_log_stage_comes_from_it_and_the_first_copies(settings: Settings) -> None:
    movements, places = Movements(replace(settings, extraction="log")), Places(settings)
    changes, copies = places.changes("ops.orders"), places.extract("ops.orders")
    assert {*movements.of_task("LoadStage", "ops.orders").inputs} == {changes, copies}
    assert changes in [output.place for output in movements.of_task("ExtractLog", "log").outputs]
    assert copies in [output.place for output in movements.of_task("CopySource", "copies").outputs]


def test_without_a_source_extracts_come_from_nowhere(settings: Settings) -> None:
    found = Movements(replace(settings, operational_url="", risk_api_url="", from_lake=True))
    assert found.of_task("ExtractTable", "ops.orders").inputs == ()
    assert found.of_task("ExtractRiskScores", "risk_score").inputs == ()


def test_with_the_star_on_the_lake_alone_no_task_writes_stage_tables_of_the_source(settings: Settings) -> None:
    alone = replace(settings, lakehouse=replace(settings.lakehouse, star="lake"))
    assert Movements(alone).of_task("LoadStage", "ops.orders") == Movement()
    assert Movements(alone).of_task("LoadLakeStar", "") == Movement()
