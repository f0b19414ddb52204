"""Takes the pictures of the documentation: the demo's dashboards and its data book, and luigid during a load.

    .venv/bin/python superset/screenshots.py

Writes docs/images/*.png. The demo must be served (`make demo`) and is not changed: the load is of a small shop in
services of its own, which are removed at the end.
"""

import datetime as dt
import json
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))  # uses the browser of the tests

from pipeline.kernel import config  # noqa: E402

HOME = config.home()  # before the tests' own environment, which has no OCEAN_HOME

from playwright.sync_api import HttpCredentials  # noqa: E402
from support.browser import HEIGHT, Browser, Page, log_in, open_dashboard, running_browser  # noqa: E402
from support.world import SIMULATED, World, running_services  # noqa: E402

from pipeline.tasks.daily import DailyWarehouseLoad  # noqa: E402

IMAGES = ROOT / "docs/images"
USERS = {"ocean-records": "viewer", "pipeline-health": "admin", "customer-behaviour": "admin"}
WIDTH, PHONE_WIDTH, PHONE_HEIGHT = 1600, 390, 1720  # the upper half of the dashboard on a phone
BOTTOM = """() => 16 + Math.max(...[...document.querySelectorAll('[data-test="dashboard-component-chart-holder"]')]
    .map(holder => holder.getBoundingClientRect().bottom))"""
BOOK = (("book", 1280, 1180), ("book-phone", PHONE_WIDTH, 844))
# Days of business that are simulated first and loaded at once. So the load is long enough to watch.
OPENED, LOADED = dt.date(2026, 1, 1), dt.date(2026, 6, 30)
STATUSES = "() => [...document.querySelectorAll('.graph-node-a')].map(node => node.getAttribute('data-task-status'))"
GRAPH_BOTTOM = "() => 16 + document.querySelector('#graphContainer').getBoundingClientRect().bottom"


def main() -> int:
    """Takes all pictures; returns the exit code."""
    try:
        known = json.loads((HOME / "services.json").read_text())
        url = known["superset_url"]
        passwords = json.loads((HOME / "superset.json").read_text())
    except (FileNotFoundError, KeyError):
        print(f"cannot take pictures, because no dashboards are served from {HOME}; run `make demo`", file=sys.stderr)
        return 1
    IMAGES.mkdir(exist_ok=True)
    with running_browser() as browser:
        for slug, user in USERS.items():
            page = log_in(browser, url, user, passwords[f"{user}_password"])
            open_dashboard(page, url, slug).charts()
            page.mouse.move(0, 0)
            _save(page, slug, WIDTH, page.evaluate(BOTTOM))
        page = log_in(browser, url, "viewer", passwords["viewer_password"], PHONE_WIDTH)
        open_dashboard(page, url, "ocean-records-phone", standalone=1).charts()
        _save(page, "ocean-records-phone", PHONE_WIDTH, PHONE_HEIGHT)
        _take_book(browser, known)
        _take_load(browser)
    return 0


def _take_book(browser: Browser, known: dict[str, str]) -> None:
    """Takes the first page of the data book, at a desk and on a phone."""
    login: HttpCredentials = {"username": "luigi", "password": known["luigid_password"]}
    for name, width, height in BOOK:
        page = browser.new_page(viewport={"width": width, "height": height}, http_credentials=login)
        page.goto(f"{known['luigid_url']}/book/")
        _save(page, name, width, height)


def _take_load(browser: Browser) -> None:
    """Takes luigid's page when parts of a load are done, some run and others wait."""
    with running_services() as home:
        known = json.loads((home / "services.json").read_text())
        shop = {**SIMULATED, "OCEAN_SHOP_SCALE": "1", "OCEAN_SHOP_OPENED_ON": str(OPENED)}
        world = World(home, known["operational_url"], known["warehouse_url"], "s3://ocean-lake", shop)
        world.luigi("SimulateBusinessDay", "--date", str(LOADED))
        page = browser.new_page(
            viewport={"width": WIDTH, "height": HEIGHT},
            http_credentials={"username": "luigi", "password": known["luigid_password"]},
        )
        task = DailyWarehouseLoad(LOADED).task_id
        graph = f"{known['luigid_url']}/static/visualiser/index.html#tab=graph&visType=svg&taskId={task}"
        load = world.start("DailyWarehouseLoad", "--date", str(LOADED), "--workers", "2", local=False)
        statuses: list[str] = []
        while load.poll() is None and not _is_half_done(statuses):
            page.goto("about:blank")  # otherwise only the fragment would change
            page.goto(graph)
            page.wait_for_load_state("networkidle")
            statuses = page.evaluate(STATUSES)
        _save(page, "luigid", WIDTH, page.evaluate(GRAPH_BOTTOM))
        output, _ = load.communicate()
        if load.returncode or not _is_half_done(statuses):
            raise SystemExit(f"the load failed, or was over before it could be seen:\n{output}")


def _is_half_done(statuses: list[str]) -> bool:
    return "RUNNING" in statuses and statuses.count("DONE") > len(statuses) / 2


def _save(page: Page, name: str, width: int, height: float) -> None:
    page.screenshot(path=IMAGES / f"{name}.png", clip={"x": 0, "y": 0, "width": width, "height": height})
    print(f"docs/images/{name}.png")


if __name__ == "__main__":
    sys.exit(main())
