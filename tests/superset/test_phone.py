"""The dashboards in windows of all widths, those for phones, and what axe-core finds in either."""

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page
from support.browser import Dashboard, log_in, open_dashboard, running_browser
from support.page_fit import misfits, note_texts, settled
from support.superset_site import Site

DASHBOARDS = ("ocean-records", "pipeline-health", "customer-behaviour")
DESK, TABLET, PHONE = (1600, 1280, 820), 1000, 390  # pixels
# The findings of axe-core in Superset's own parts of a page, by rule and selector, with the reason.
SUPERSETS_OWN = {
    ("aria-allowed-role", "#main-menu"),  # the menu's role
    ("aria-prohibited-attr", ".dashboard-chart"),  # the label of each chart's box
    ("color-contrast", ".ant-btn-variant-filled"),  # the button that opens the filters on a phone
    ("html-has-lang", "html"),  # the page's template names no language
    ("page-has-heading-one", "html"),  # the title is an input
}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser."""
    with running_browser() as found:
        yield found


@pytest.fixture(scope="module")
def admin(site: Site, chromium: Browser) -> Page:
    """A page in which the admin has logged in."""
    page = log_in(chromium, site.url, "admin", site.password("admin"))
    note_texts(page)
    return page


@pytest.fixture(scope="module")
def viewer(site: Site, chromium: Browser) -> Page:
    """A phone on which somebody of the company has logged in."""
    return log_in(chromium, site.url, "viewer", site.password("viewer"), PHONE)


def resize(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 6000})  # charts outside the window are not drawn


def cut_off(dashboard: Dashboard) -> list[str]:
    return [chart.name for chart in dashboard.charts().values() if chart.is_cut_off]


def findings(page: Page) -> list[tuple[str, str]]:
    """What axe-core finds beside the reviewed findings: rules with the part of the page."""
    found = [
        (rule["id"], node["target"][0]) for rule in Axe().run(page).response["violations"] for node in rule["nodes"]
    ]
    known = [(rule, page.query_selector_all(selector)) for rule, selector in SUPERSETS_OWN]
    return [
        (rule, target)
        for rule, target in found
        if not any(
            rule == reviewed
            and any(
                part.evaluate("(part, inner) => part.contains(document.querySelector(inner))", target) for part in parts
            )
            for reviewed, parts in known
        )
    ]


@pytest.mark.parametrize("slug", DASHBOARDS)
def test_a_dashboard_fits_desks_windows(site: Site, admin: Page, slug: str) -> None:
    resize(admin, DESK[0])
    dashboard = open_dashboard(admin, site.url, slug)
    dashboard.charts()
    assert findings(admin) == []
    for width in DESK:
        resize(admin, width)
        assert settled(admin) == {}
        if width > TABLET:  # on it a wide table scrolls in its box
            assert cut_off(dashboard) == []


@pytest.mark.parametrize("slug", DASHBOARDS)
def test_a_dashboard_for_phones_fits_a_phone(site: Site, admin: Page, slug: str) -> None:
    resize(admin, PHONE)
    dashboard = open_dashboard(admin, site.url, f"{slug}-phone", 1)
    charts = dashboard.charts()
    assert [(chart.name, chart.error) for chart in charts.values() if chart.error or chart.is_empty] == []
    assert misfits(admin) == {}
    assert cut_off(dashboard) == []
    assert findings(admin) == []


def test_a_viewer_goes_from_the_desks_dashboard_to_the_phones_and_back(site: Site, viewer: Page) -> None:
    dashboard = open_dashboard(viewer, site.url, "ocean-records")
    dashboard.charts()
    assert viewer.evaluate("document.scrollingElement.scrollWidth") <= PHONE  # with the menu, too
    viewer.get_by_text("On a phone:").get_by_role("link").click()
    viewer.wait_for_url("**/superset/dashboard/ocean-records-phone/?standalone=1**")
    charts = dashboard.charts()
    sales = "select sum(sales)::float from mart.sales_by_product group by label order by 1 desc nulls last limit 10"
    [products] = [chart.rows for name, chart in charts.items() if name.startswith("Top products")]
    assert [row[1] for row in products] == [f"{amount:,.0f}" for (amount,) in site.world.warehouse(sales)]
    [quarters] = [chart.data for name, chart in charts.items() if name.startswith("Total sales")]
    total = site.world.warehouse("select sum(sales)::float from mart.kpi_quarterly_country")
    assert [(sum(row["sales"] for row in quarters),)] == [(pytest.approx(total[0][0]),)]
    viewer.get_by_text("At a desk:").get_by_role("link").click()
    viewer.wait_for_url("**/superset/dashboard/ocean-records/**")
    dashboard.charts()
    assert not dashboard.problems


def test_a_filter_narrows_the_charts_of_a_phone(site: Site, viewer: Page) -> None:
    dashboard = open_dashboard(viewer, site.url, "ocean-records-phone", 1)
    dashboard.charts()
    viewer.get_by_text("More filters").click()
    country = viewer.get_by_role("combobox", name="Country")
    country.fill("Germany")
    country.press("Enter")  # a click would scroll the page, which closes the list
    charts = dashboard.apply()
    [countries] = [chart.data for name, chart in charts.items() if name.startswith("Top countries")]
    assert [row["label"] for row in countries] == ["Germany"]
    assert not dashboard.problems
