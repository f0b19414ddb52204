"""Events of OpenLineage: what a real load posts to a real receiver."""

from collections import Counter
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest
from openlineage.client.serde import Serde
from support import openlineage_models, shop
from support.databases import database_of
from support.openlineage_models import by_run, end_of
from support.receivers import webhook
from support.world import World, Worlds, secrets_of

from pipeline.lineage import warehouse
from pipeline.lineage.graph import Column, Kind

PATH = "/api/v1/lineage"
TOKEN = "shells-and-sand"


@dataclass
class Loaded:
    """A world after a load, and the events that it posted."""

    world: World
    events: list[Any]
    headers: list[Any]
    output: str


@pytest.fixture(scope="module")
def first(worlds: Worlds) -> Loaded:
    """A first load, whose tasks run in processes of their own."""
    world = worlds.new()
    shop.open_shop(world)
    shop.add_order(world, 1, shop.at(1), 1)
    with webhook(PATH) as receiver:
        url = receiver.url.replace("//", f"//ocean:{TOKEN}@")
        output = world.where(OCEAN_OPENLINEAGE_URL=url).load(shop.date(1), "--workers", "2")
    return Loaded(world, receiver.posts, receiver.headers, output)


def output_of(events: list[Any], job: str, table: str) -> Any:
    [found] = [each for each in end_of(events, job)["outputs"] if each["name"].endswith(table)]
    return found


def test_every_event_is_of_the_models_of_openlineages_client(first: Loaded) -> None:
    assert len(first.events) > 60
    for event in first.events:
        assert Serde.to_dict(openlineage_models.event(event)) == event


def test_each_run_of_the_run_log_begins_and_is_complete(first: Loaded) -> None:
    assert set(map(tuple, by_run(first.events).values())) == {("START", "COMPLETE")}
    logged = Counter(family for (family,) in first.world.warehouse("select task from etl.task_run"))
    told = Counter(event["job"]["name"].partition(".")[0] for event in first.events if event["eventType"] == "START")
    assert told == logged
    assert {"LoadStage.ops.orders", "LoadFact.fact_order", "LoadMart"} <= {
        event["job"]["name"] for event in first.events
    }


def test_a_runs_end_is_after_its_beginning(first: Loaded) -> None:
    at = {(event["run"]["runId"], event["eventType"]): event["eventTime"] for event in first.events}
    assert [run for run, state in at if at[run, "START"] > at[run, "COMPLETE"]] == []


def test_the_run_of_the_main_task_is_the_parent_of_all_others_and_spans_them(first: Loaded) -> None:
    [main, *others, last] = first.events
    assert (main["eventType"], last["eventType"]) == ("START", "COMPLETE")
    assert main["run"]["runId"] == last["run"]["runId"]
    assert "parent" not in main["run"]["facets"]
    parents = [event["run"]["facets"]["parent"] for event in others]
    assert {(parent["run"]["runId"], parent["job"]["namespace"], parent["job"]["name"]) for parent in parents} == {
        (main["run"]["runId"], "oceanrecords", "DailyWarehouseLoad")
    }


def test_the_nominal_time_is_the_day_of_the_date(first: Loaded) -> None:
    time = end_of(first.events, "LoadFact.fact_order")["run"]["facets"]["nominalTime"]
    assert (time["nominalStartTime"], time["nominalEndTime"]) == ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")


def test_datasets_are_named_by_where_they_lie(first: Loaded) -> None:
    world = first.world
    source, warehouse_ = (urlsplit(url) for url in (world.operational_url, world.warehouse_url))
    extract = end_of(first.events, "ExtractTable.ops.orders")
    assert extract["inputs"] == [
        {
            "namespace": f"postgres://{source.hostname}:{source.port}",
            "name": f"{database_of(world.operational_url)}.ops.orders",
            "facets": {},
            "inputFacets": {},
        }
    ]
    on_lake = ("s3://ocean-lake", f"{world.lake.prefix}/extract/ops.orders")
    assert [(each["namespace"], each["name"]) for each in extract["outputs"]] == [on_lake]
    stage = end_of(first.events, "LoadStage.ops.orders")
    assert [(each["namespace"], each["name"]) for each in stage["inputs"]] == [on_lake]
    in_warehouse = f"postgres://{warehouse_.hostname}:{warehouse_.port}"
    assert {each["namespace"] for each in stage["outputs"]} == {in_warehouse}
    assert [each["name"] for each in stage["outputs"]] == [f"{database_of(world.warehouse_url)}.stage.orders"]


def test_outputs_have_the_rows_and_bytes_of_the_run_log(first: Loaded) -> None:
    logged = first.world.warehouse(
        "select task, coalesce(params ->> 'table', params ->> 'feed'), rows, bytes from etl.task_run "
        "where task in ('ExtractTable', 'LoadStage', 'LoadDimension', 'LoadFact')"
    )
    assert ("ExtractTable", "ops.order_lines", 1) in [row[:3] for row in logged]
    for task, table, rows, size in logged:
        [counted, *others] = end_of(first.events, f"{task}.{table}")["outputs"]
        statistics = counted["outputFacets"]["outputStatistics"]
        assert (statistics.get("rowCount"), statistics.get("size")) == (rows, size), (task, table)
        assert [each["outputFacets"] for each in others] == [{}] * len(others)


def test_the_schema_of_an_output_has_its_columns(first: Loaded) -> None:
    for job, table in (("LoadFact.fact_order", "dwh.fact_order"), ("LoadMart", "mart.kpi_monthly")):
        schema = output_of(first.events, job, table)["facets"]["schema"]["fields"]
        columns = first.world.warehouse(
            "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0 and not attisdropped "
            "order by attnum",
            (table,),
        )
        assert [field["name"] for field in schema] == [name for (name,) in columns]


def behind(events: list[Any], namespace: str, name: str, column: str) -> list[Any]:
    """The columns that a dataset's column is said to come from."""
    outputs = [output for event in events for output in event["outputs"] if output["facets"]]
    found = [each for each in outputs if (each["namespace"], each["name"]) == (namespace, name)]
    fields = found[0]["facets"].get("columnLineage", {"fields": {}})["fields"] if found else {}
    return list(fields.get(column, {"inputFields": []})["inputFields"])


def test_the_column_lineage_of_sales_is_that_of_the_book(first: Loaded) -> None:
    sales = output_of(first.events, "LoadMart", "mart.kpi_monthly")["facets"]["columnLineage"]["fields"]["sales"]
    told = {
        (field["name"].partition(".")[2], field["field"]): field["transformations"][0]["type"]
        for field in sales["inputFields"]
    }
    upstream = warehouse.of_warehouse().upstream(Column("mart.kpi_monthly", "sales"))
    of_dwh = {key: kind for key, kind in told.items() if key[0].startswith("dwh.")}
    assert of_dwh[("dwh.fact_order", "order_amount")] == "DIRECT"
    assert of_dwh[("dwh.dim_address", "country")] == "INDIRECT"
    for (relation, name), kind in told.items():
        assert (upstream[Column(relation, name)] is Kind.VALUE) == (kind == "DIRECT"), (relation, name)


def test_the_events_lead_from_sales_to_the_columns_of_the_source_that_the_book_names(first: Loaded) -> None:
    where = output_of(first.events, "LoadMart", "mart.kpi_monthly")
    left = [(where["namespace"], where["name"], "sales")]
    seen: set[tuple[str, str, str]] = set()
    while left:
        at = left.pop()
        new = {
            (each["namespace"], each["name"], each["field"])
            for each in behind(first.events, *at)
            if each["transformations"][0]["type"] == "DIRECT"
        } - seen
        seen |= new
        left += new
    source = f"{database_of(first.world.operational_url)}."
    told = {(name.removeprefix(source), field) for _, name, field in seen if name.startswith(source)}
    upstream = warehouse.of_warehouse().upstream(Column("mart.kpi_monthly", "sales"))
    assert told == {
        (column.relation, column.name)
        for column, kind in upstream.items()
        if kind is Kind.VALUE and column.relation.startswith("ops.")
    }
    assert ("ops.order_lines", "unit_price") in told


def test_no_event_has_a_secret_and_the_receivers_login_goes_into_a_header(first: Loaded) -> None:
    text = str(first.events) + first.output
    assert not [secret for secret in (TOKEN, *secrets_of(first.world.home)) if secret in text]
    users = {urlsplit(url).username for url in (first.world.operational_url, first.world.warehouse_url)}
    assert [user for user in users if f"{user}@" in text] == []
    assert {header["Authorization"].partition(" ")[0] for header in first.headers} == {"Basic"}
