"""Whatever changes what dashboards show counts as a new version of the data, in the same transaction."""

import re
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from support.loads import create_warehouse
from support.world import ROOT, World

from pipeline.kernel import postgres

DATASETS = sorted((ROOT / "superset/assets/datasets").glob("*.yaml"))
# The tables that a view reads, through other views too.
TABLES = """
with recursive used (oid) as (
    select %s::regclass::oid
    union
    select depend.refobjid
    from used
    inner join pg_rewrite as rule on used.oid = rule.ev_class
    inner join pg_depend as depend
        on rule.oid = depend.objid and depend.classid = 'pg_rewrite'::regclass
        and depend.refclassid = 'pg_class'::regclass
)
select oid::regclass::text from used inner join pg_class using (oid) where relkind = 'r'
"""
COUNTED = "select distinct tgrelid::regclass::text from pg_trigger where tgfoid = 'mart.note_version'::regproc"
VERSION = "select table_name, version from mart.data_version"


def test_every_table_behind_a_chart_that_is_kept_counts_its_versions(shop: World) -> None:
    counted = {name for (name,) in shop.warehouse(COUNTED)}
    kept = [dataset for dataset in map(_read, DATASETS) if dataset.get("cache_timeout") != -1]
    assert len(kept) >= 5
    for dataset in kept:
        views = re.findall(r"mart\.\w+", dataset.get("sql") or f"mart.{dataset['table_name']}")
        tables = {name for view in views for (name,) in shop.warehouse(TABLES, (view,))}
        assert tables
        assert tables <= counted, dataset["table_name"]


def test_no_view_of_the_mart_reads_dwh(shop: World) -> None:
    views = shop.warehouse(
        "select oid::regclass::text from pg_class where relnamespace = 'mart'::regnamespace and relkind = 'v'"
    )
    assert len(views) > 15
    for (view,) in views:
        tables = {name for (name,) in shop.warehouse(TABLES, (view,))}
        assert tables
        assert all(name.startswith(("mart.", "etl.", "analyst.")) for name in tables), view


OF_ORDERS = {"etl.stage_batch", "etl.lake_table"}  # of which triggers count what is said of orders


def test_what_depends_on_the_clock_or_on_tasks_is_never_kept(shop: World) -> None:
    for dataset in map(_read, DATASETS):
        view = f"mart.{dataset['table_name']}"
        if shop.warehouse("select to_regclass(%s)", (view,)) == [(None,)]:
            continue
        tables = {name for (name,) in shop.warehouse(TABLES, (view,))}
        [(text,)] = shop.warehouse("select pg_get_viewdef(%s::regclass)", (view,))
        if "now()" in text or any(name.startswith("etl.") for name in tables - OF_ORDERS):
            assert dataset.get("cache_timeout") == -1, view


@pytest.mark.parametrize(
    "statement",
    [
        "insert into mart.order_status values (7, true)",
        "update mart.product_label set label = 'Record'",
        "delete from mart.agg_review_month",
        "truncate mart.agg_order_month",
        "delete from analyst.country_access",
        "insert into etl.stage_batch (table_name, first_batch, last_batch, loaded_to) values ('orders', 1, 1, now())",
    ],
)
def test_a_write_counts_as_soon_as_it_is_seen_and_not_when_it_is_taken_back(shop: World, statement: str) -> None:
    before = shop.rows(VERSION)
    with postgres.transaction(shop.warehouse_url, "warehouse") as cursor:
        cursor.execute(statement)
        assert shop.rows(VERSION) == before
        cursor.connection.rollback()
    assert shop.rows(VERSION) == before
    shop.warehouse(statement)
    assert len(shop.rows(VERSION) - before) == 1


def test_what_no_dashboard_shows_counts_for_nothing_and_keeps_nobody_waiting(shop: World) -> None:
    stage = "insert into etl.stage_batch (table_name, first_batch, last_batch, loaded_to) values (%s, 1, 1, now())"
    before = shop.rows(VERSION)
    with postgres.transaction(shop.warehouse_url, "warehouse") as cursor:
        cursor.execute(stage, ("orders",))
        shop.warehouse(stage, ("customers",))  # would wait for ever
        assert shop.rows(VERSION) == before


def test_new_definitions_of_the_views_are_a_new_version(shop: World) -> None:
    before = shop.rows(VERSION)
    create_warehouse(shop)
    assert {name for name, _ in shop.rows(VERSION) - before} >= {"views"}


def _read(path: Any) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text())
    return found
