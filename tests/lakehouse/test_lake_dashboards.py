"""The dashboards show the same figures when PostgreSQL has the star, and when the lake alone has it."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page
from support.browser import log_in, open_dashboard, running_browser
from support.superset_site import SHOP, Site, running_site
from support.world import World

from lakehouse.lake_world import on_the_lake
from pipeline.catalog import FACTS

DASHBOARDS = ("ocean-records", "customer-behaviour")


@pytest.fixture(scope="module")
def own_site() -> Iterator[Site]:
    """A site whose warehouse is built again."""
    with running_site() as found:
        yield found


@pytest.fixture(scope="module")
def page(own_site: Site) -> Iterator[Page]:
    with running_browser() as chromium:
        yield log_in(chromium, own_site.url, "admin", own_site.password("admin"))


def figures(shown: Site, page: Page) -> dict[tuple[str, str], object]:
    """What each chart of the dashboards shows."""
    found: dict[tuple[str, str], object] = {}
    for slug in DASHBOARDS:
        dashboard = open_dashboard(page, shown.url, slug)
        for chart in dashboard.charts().values():
            assert not chart.error, chart.name
            assert not chart.is_empty, chart.name
            found[slug, chart.name] = chart.rows, chart.data
        assert not dashboard.problems
    return found


def test_the_dashboards_show_the_same_without_a_fact_in_postgresql(own_site: Site, page: Page, jars: list[str]) -> None:
    before = figures(own_site, page)
    assert len(before) > 12
    alone: World = on_the_lake(own_site.world.where(**SHOP, OCEAN_STAR="lake"), jars)
    alone.luigi("RebuildWarehouse", "--replace")
    assert {name: alone.warehouse(f"select count(*) from dwh.{name}") for name in FACTS} == {
        name: [(0,)] for name in FACTS
    }
    assert figures(own_site, page) == before
    health = open_dashboard(page, own_site.url, "pipeline-health")
    assert [chart.error for chart in health.charts().values() if chart.error] == []
    assert not health.problems
