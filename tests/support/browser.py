"""Superset's pages in a headless Chromium: log in, open a dashboard, wait for its charts, read what they show."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Browser, Page, Response, Route, ViewportSize, sync_playwright

SECONDS = 60
# Browsers do not draw charts outside the window. So the window is higher than any dashboard.
HEIGHT = 3000
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
# Tables of key figures have more digits than they show. CSS draws a missing figure.
CHARTS = """() => [...document.querySelectorAll(
    '[data-test="dashboard-component-chart-holder"]:not(.dashboard-markdown *)'
)].map(holder => {
    const chart = holder.querySelector('[data-test="chart-grid-component"]');
    const text = element => element ? element.textContent.trim() : '';
    const shown = cell => {
        const drawn = cell.firstElementChild && getComputedStyle(cell.firstElementChild, '::after').content;
        return cell.querySelector('svg') ? 'line' : drawn?.startsWith('"') ? drawn.slice(1, -1) : text(cell);
    };
    const overflows = element => /auto|scroll/.test(getComputedStyle(element).overflow)
        && (element.scrollHeight > element.clientHeight || element.scrollWidth > element.clientWidth);
    return {
        name: chart?.getAttribute('data-test-chart-name') ?? '',
        number: Number(chart?.getAttribute('data-test-chart-id')),
        error: text(holder.querySelector('[role="alert"], .ant-alert-error, .missing-chart-container')),
        is_empty: !!holder.querySelector('.ant-empty'),
        is_cut_off: [...holder.querySelectorAll('*')].some(overflows),
        is_done: !holder.querySelector('[data-test="loading-indicator"]')
            && !!holder.querySelector(':is(canvas, td, .header-line, .ant-empty, [role="alert"])'),
        rows: [...holder.querySelectorAll('tbody tr:not([aria-hidden])')].map(row => [...row.cells].map(shown)),
    };
})"""
DONE = f"number => {{ const found = ({CHARTS})(); return found.length === number && found.every(c => c.is_done); }}"


@dataclass(frozen=True)
class Chart:
    """A chart on a dashboard: the cells of a table, and the data of a picture.

    Cut off where a user would have to scroll.
    """

    name: str
    number: int
    error: str
    is_empty: bool
    is_cut_off: bool
    is_done: bool
    rows: list[list[str]]
    data: list[dict[str, Any]]


@dataclass
class Dashboard:
    """An open dashboard; `problems` are errors of scripts and refused requests."""

    page: Page
    size: int
    problems: list[str] = field(default_factory=list)
    answers: dict[int, Response] = field(default_factory=dict)

    def charts(self) -> dict[str, Chart]:
        """All charts by title, once each is drawn or shows an error."""
        self.page.wait_for_function(DONE, arg=self.size, timeout=SECONDS * 1000)
        return {found["name"]: Chart(**found, data=self._data(found["number"])) for found in self.page.evaluate(CHARTS)}

    def choose(self, name: str, value: str) -> dict[str, Chart]:
        """Chooses a value in the list of a filter; returns the charts after that."""
        self.page.get_by_role("combobox", name=name).click()
        self.page.locator(".ant-select-item-option", has_text=value).click()
        return self.apply()

    def between(self, start: str, end: str) -> dict[str, Chart]:
        """Sets the time range, `end` exclusive; returns the charts after that."""
        page = self.page
        page.locator('[data-test="time-range-trigger"]').click()
        page.locator('[data-test="Range type"]').click()
        page.locator(".ant-select-item-option", has_text="Advanced").click()
        popover = page.locator(".ant-popover:visible")
        for label, value in (("Start", start), ("End", end)):
            popover.locator(f'.control-label:has-text("{label}") + input').fill(value)
        popover.locator('[data-test="date-filter-control__apply-button"]').click()
        return self.apply()

    def apply(self) -> dict[str, Chart]:
        """Applies the filters and waits until every chart has asked for its data again."""
        self.answers.clear()
        with self.page.expect_response(lambda _: len(self.answers) == self.size, timeout=SECONDS * 1000):
            self.page.locator('[data-test="filter-bar__apply-button"]').click()
        return self.charts()

    def _data(self, number: int) -> list[dict[str, Any]]:
        result = self.answers[number].json().get("result") if number in self.answers else None
        return result[0]["data"] if result else []

    def keep(self, response: Response) -> None:
        """Keeps the newest answer to each chart, and the problems."""
        if response.status >= 400:
            self.problems.append(f"{response.status} {response.url}")
        form = json.loads(parse_qs(urlsplit(response.url).query).get("form_data", ["{}"])[0])
        if "slice_id" in form:
            self.answers[form["slice_id"]] = response


@contextmanager
def running_browser() -> Iterator[Browser]:
    """A browser without history that runs until the block ends."""
    with sync_playwright() as playwright:
        # None: the browser that Playwright has installed.
        yield playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)


def log_in(browser: Browser, base_url: str, username: str, password: str, width: int = 1600) -> Page:
    """Logs in by the form; returns a page in a session of its own, in English and UTC."""
    viewport: ViewportSize = {"width": width, "height": HEIGHT}
    page = browser.new_context(viewport=viewport, locale="en-US", timezone_id="UTC").new_page()
    # The login page reports its own events. The answer to a report may come after the answer to the login, with an
    # anonymous session that replaces the new one.
    page.route("**/superset/log/**", _swallow)
    page.goto(f"{base_url}/login/", wait_until="domcontentloaded")
    page.fill("#username", username, timeout=SECONDS * 1000)
    page.fill("#password", password)
    with page.expect_navigation(wait_until="commit", timeout=SECONDS * 1000):
        page.click('button[type="submit"]')
    return page


def open_dashboard(page: Page, base_url: str, slug: str, standalone: int = 0) -> Dashboard:
    """Opens a dashboard for the user of the page, without waiting for its charts.

    `standalone` leaves out parts of the page: 1 the menu, 2 the title too.
    """
    answer = page.request.get(f"{base_url}/api/v1/dashboard/{slug}/charts")
    dashboard = Dashboard(page, len(answer.json()["result"]))
    page.on("response", dashboard.keep)
    page.on("pageerror", lambda error: dashboard.problems.append(str(error)))
    query = f"?standalone={standalone}" if standalone else ""
    page.goto(f"{base_url}/superset/dashboard/{slug}/{query}", wait_until="domcontentloaded")
    return dashboard


def _swallow(route: Route) -> None:
    route.fulfill(status=200, content_type="application/json", body="{}")
