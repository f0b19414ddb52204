"""How long dashboards take when many people look at once: what a browser asked for once, without the browser.

Each viewer opens the three dashboards one after the other: the page, then what is on it over six connections, each of
which asks for the next thing once the last has come. All viewers do so at once; before that, one does alone. Viewers
may see the company dashboard only, so the other two are opened with the admin's login.

    .venv/bin/python -m benchmarks.dashboards            (the Superset that OCEAN_HOME or luigi.cfg names)
    .venv/bin/python -m benchmarks.dashboards --fresh    (first tells Superset that something was loaded)

Asks 127.0.0.1 only, and changes nothing but, with --fresh, the version of the data.
"""

import argparse
import json
import statistics
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))  # pages are opened as the tests open them

from playwright.sync_api import Browser  # noqa: E402
from support.browser import log_in, open_dashboard, running_browser  # noqa: E402
from support.dashboard_session import CONNECTIONS, Session  # noqa: E402

from pipeline.kernel import postgres  # noqa: E402
from pipeline.kernel.config import settings  # noqa: E402

DASHBOARDS = {"ocean-records": "viewer", "pipeline-health": "admin", "customer-behaviour": "admin"}


@dataclass(frozen=True)
class Request:
    """What a browser asks for once it has the page."""

    method: str
    path: str
    body: str | None = None
    content_type: str = ""


@dataclass
class Measured:
    """Seconds of requests, and of whole dashboards; and what was not answered well."""

    requests: list[float] = field(default_factory=list)
    dashboards: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, session: Session, request: Request) -> None:
        """Asks, and remembers how long it took."""
        started = time.perf_counter()
        status, content = session.ask(request.method, request.path, request.body, request.content_type)
        seconds = time.perf_counter() - started
        with self.lock:
            self.requests.append(seconds)
            if status not in (200, 201):
                self.failures.append(f"{request.method} {request.path}: {status} {content[:100]!r}")

    def open(self, sessions: dict[str, Session], wanted: dict[str, list[Request]]) -> None:
        """One viewer opens the dashboards, one after the other."""
        with ThreadPoolExecutor(CONNECTIONS) as connections:
            for slug, requests in wanted.items():
                session, started = sessions[DASHBOARDS[slug]], time.perf_counter()
                self.ask(session, Request("GET", f"/superset/dashboard/{slug}/"))
                list(connections.map(self.ask, [session] * len(requests), requests))
                with self.lock:
                    self.dashboards.append(time.perf_counter() - started)

    def row(self, name: str) -> str:
        """A line of the table."""
        found = sorted(self.requests)
        p95 = statistics.quantiles(found, n=20, method="inclusive")[-1]
        figures = (statistics.median(found), p95, found[-1], max(self.dashboards))
        return f"{name:28}{len(found):9,}" + "".join(f"{seconds:9.3f}" for seconds in figures)


def main() -> None:
    """Prints a row for each way to look."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--viewers", type=int, default=20, help="who look at once")
    parser.add_argument("--fresh", action="store_true", help="measure the first look after a load too")
    chosen = parser.parse_args()
    people, wanted = visitors(settings().home, chosen.viewers)
    print(f"{'seconds':28}{'requests':>9}{'p50':>9}{'p95':>9}{'max':>9}{'dashboard':>10}")
    looks: list[tuple[str, int, Callable[[], None]]] = [("one", 1, _nothing), ("all at once", chosen.viewers, _nothing)]
    if chosen.fresh:
        looks += [
            ("one, after a load", 1, _announce_load),
            ("all at once, after a load", chosen.viewers, _announce_load),
        ]
    look(people[:1], wanted)  # once for what a new process does once
    for name, viewers, before in looks:
        before()
        measured = look(people[:viewers], wanted)
        print(measured.row(name), flush=True)
        for failure in measured.failures[:5]:
            print(failure)


def visitors(home: Path, viewers: int) -> tuple[list[dict[str, Session]], dict[str, list[Request]]]:
    """The sessions of so many people, each with those of all users, and what each dashboard asks for in a browser."""
    url, users = _site(home)
    people = [
        {user: Session.of(url, user, users[user]) for user in sorted(set(DASHBOARDS.values()))} for _ in range(viewers)
    ]
    with running_browser() as browser:
        return people, {slug: _asked(browser, url, user, users[user], slug) for slug, user in DASHBOARDS.items()}


def look(people: list[dict[str, Session]], wanted: dict[str, list[Request]]) -> Measured:
    """Lets people open the dashboards at once, each of them once."""
    measured = Measured()
    with ThreadPoolExecutor(len(people)) as viewers:
        list(viewers.map(measured.open, people, [wanted] * len(people)))
    return measured


def _site(home: Path) -> tuple[str, dict[str, str]]:
    """The URL of Superset, and the password of each user."""
    url = json.loads((home / "services.json").read_text())["superset_url"]
    secrets = json.loads((home / "superset.json").read_text())
    return url, {user: secrets[f"{user}_password"] for user in DASHBOARDS.values()}


def _asked(browser: Browser, url: str, user: str, password: str, slug: str) -> list[Request]:
    """What the page of a dashboard asks for in a browser: what it is, its charts and filters, and their data."""
    page, seen = log_in(browser, url, user, password), list[Any]()
    page.on("request", lambda request: seen.append(request))  # a method of a list cannot be a handler
    open_dashboard(page, url, slug).charts()
    asked = [request for request in seen if request.resource_type in ("fetch", "xhr") and "/log/" not in request.url]
    page.context.close()
    return [
        Request(each.method, each.url.removeprefix(url), each.post_data, each.headers.get("content-type", ""))
        for each in asked
    ]


def _announce_load() -> None:
    """Says that what dashboards show is no longer what it was, as a load does."""
    with postgres.transaction(settings().warehouse_url, "warehouse") as cursor:
        cursor.execute("update mart.data_version set version = version + 1")
    time.sleep(2)  # longer than Superset believes a version


def _nothing() -> None:
    """As it is."""


if __name__ == "__main__":
    main()
