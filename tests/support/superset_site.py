"""A small shop, its warehouse and its dashboards, served for the tests of Superset."""

import json
import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode, urlsplit

import psutil

from pipeline import services
from support import shop
from support.feeds_world import classify
from support.world import LAST, ROOT, SIMULATED, World, running_services

ASSETS = ROOT / "superset/assets"
# Opened so early that the dashboards have months to compare. The last month and the last quarter are in progress.
SHOP = {**SIMULATED, "OCEAN_SIMULATE_FEEDS": "1", "OCEAN_SHOP_OPENED_ON": "2025-09-10"}
LOADED = (LAST - shop.date(1)).days  # the day before LAST, as `shop` counts days
# None of these may reach Superset.
FOREIGN = {
    "SUPERSET_SECRET_KEY": "foreign",
    "SUPERSET_CONFIG_PATH": "/nowhere/foreign.py",
    "SUPERSET_METADATA_URL": "sqlite:////nowhere/foreign.db",
    "SUPERSET_FEATURE_FOREIGN": "1",
    "WAREHOUSE_URL": "postgresql://foreign@127.0.0.1:9/foreign",
    "PYTHONPATH": "/nowhere/foreign",
}


class Client:
    """A session with Superset's REST interface; without a user an anonymous one."""

    def __init__(self, url: str, user: str | None = None, password: str | None = None) -> None:
        self.url = url
        self.headers = {"Referer": url}
        cookies = urllib.request.HTTPCookieProcessor(CookieJar())
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), cookies)
        if user:
            login = {"username": user, "password": password, "provider": "db"}
            status, answer = self.post("/api/v1/security/login", login)
            assert status == 200, answer
            self.headers["Authorization"] = f"Bearer {answer['access_token']}"
            self.headers["X-CSRFToken"] = self.get("/api/v1/security/csrf_token/")[1]["result"]

    def get(self, path: str) -> tuple[int, Any]:
        """Status and JSON, or else text, of the answer."""
        return self._ask("GET", path, None)

    def post(self, path: str, body: Any) -> tuple[int, Any]:
        """Sends a body; returns the same as `get`."""
        return self._ask("POST", path, body)

    def put(self, path: str, body: Any) -> tuple[int, Any]:
        """Sends a body; returns the same as `get`."""
        return self._ask("PUT", path, body)

    def delete(self, path: str) -> tuple[int, Any]:
        """Deletes; returns the same as `get`."""
        return self._ask("DELETE", path, None)

    def submit(self, path: str, fields: dict[str, str]) -> tuple[int, Any]:
        """Sends a form like a page; returns the answer, or the page to which it leads, as `get` does."""
        headers = {"Referer": self.url + path}
        return self._open(urllib.request.Request(self.url + path, urlencode(fields).encode(), headers))

    def _ask(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        data = None if body is None else json.dumps(body).encode()
        headers = self.headers if data is None else {**self.headers, "Content-Type": "application/json"}
        return self._open(urllib.request.Request(self.url + path, data, headers, method=method))

    def _open(self, request: urllib.request.Request) -> tuple[int, Any]:
        try:
            with self._opener.open(request, timeout=60) as answer:
                status, content = answer.status, answer.read()
        except HTTPError as error:
            status, content = error.code, error.read()
        try:
            return status, json.loads(content)
        except ValueError:
            return status, content


def remove_user(admin: Client, number: int) -> None:
    """Deletes a user. An event of his that is logged in this moment refuses that, and a page leaves several."""
    path = f"/api/v1/security/users/{number}"
    assert any(admin.delete(path)[0] == 200 for _ in range(10))


def asked(chart: dict[str, Any], dashboard: int | None) -> dict[str, Any]:
    """The page's request for a table, or for bars with a limit: the chart's stored form, and its query."""
    dataset, _, kind = chart["datasource"].partition("__")
    filters = [
        {"col": one["subject"], "op": one["operator"], "val": one["comparator"]} for one in chart["adhoc_filters"]
    ]
    query = {
        "filters": filters,
        "extras": {"having": "", "where": ""},
        "columns": chart.get("groupby") or [_axis(chart["x_axis"])],
        "metrics": chart["metrics"],
        "orderby": [[chart["timeseries_limit_metric"], False]],
        "series_limit_metric": chart["timeseries_limit_metric"],
        "row_limit": chart["row_limit"],
        "order_desc": True,
        "url_params": {},
        "post_processing": _drawn(chart) if "x_axis" in chart else [],
    }
    form = {**chart, "extra_form_data": {}} | ({} if dashboard is None else {"dashboardId": dashboard})
    return {"datasource": {"id": int(dataset), "type": kind}, "queries": [query], "form_data": form}


def _axis(column: str) -> dict[str, Any]:
    reference = {"columnType": "BASE_AXIS", "sqlExpression": column, "label": column, "expressionType": "SQL"}
    return {**reference, "isColumnReference": True}


def _drawn(chart: dict[str, Any]) -> list[dict[str, Any]]:
    """The steps that make bars of rows."""
    mean = {metric: {"operator": "mean"} for metric in chart["metrics"]}
    pivot = {"index": [chart["x_axis"]], "columns": [], "aggregates": mean, "drop_missing_columns": False}
    return [
        {"operation": "pivot", "options": pivot},
        {"operation": "sort", "options": {"by": chart["x_axis_sort"], "ascending": chart["x_axis_sort_asc"]}},
        {"operation": "flatten"},
    ]


@dataclass(frozen=True)
class Site:
    """Running services with a loaded warehouse and deployed dashboards; `output` is the first deployment's output."""

    home: Path
    output: str

    @property
    def url(self) -> str:
        """Superset's address."""
        found: str = json.loads((self.home / "services.json").read_text())["superset_url"]
        return found

    @property
    def world(self) -> World:
        """The embedded databases and lake."""
        found = json.loads((self.home / "services.json").read_text())
        more = {"RISK_API_URL": found["risk_api_url"]}
        return World(self.home, found["operational_url"], found["warehouse_url"], "s3://ocean-lake", more)

    def password(self, user: str) -> str:
        """The password of one of the first users."""
        found: str = json.loads((self.home / "superset.json").read_text())[f"{user}_password"]
        return found

    def client(self, user: str | None) -> Client:
        """A new session of such a user, or an anonymous one."""
        return Client(self.url, user, self.password(user) if user else None)

    def raw(self, head: str, body: bytes = b"") -> int:
        """The status of the answer to a request that no library would send. The host's name is added to its head."""
        first, *lines = head.splitlines()
        address = urlsplit(self.url)
        sent = "\r\n".join([f"{first} HTTP/1.1", f"Host: {address.netloc}", *lines, "", ""]).encode("latin-1") + body
        with socket.create_connection((str(address.hostname), address.port or 80), timeout=60) as connection:
            connection.sendall(sent)
            with connection.makefile("rb") as answer:
                return int(answer.readline().split()[1])

    def server(self) -> psutil.Process:
        """The process of the server."""
        return psutil.Process(next(state.pid for state in services.status(self.home) if state.name == "superset"))

    def metadata(self, query: str) -> list[Any]:
        """Runs a statement in Superset's own database."""
        url = json.loads((self.home / "services.json").read_text())["superset_metadata_url"]
        return World(self.home, "", url, "").warehouse(query)

    def command(self, name: str) -> subprocess.CompletedProcess[str]:
        """Runs a command of pipeline.services in an environment full of foreign settings."""
        return subprocess.run(
            [sys.executable, "-m", "pipeline.services", name],
            check=False,
            capture_output=True,
            text=True,
            cwd=ROOT,
            env={**os.environ, **FOREIGN, "OCEAN_HOME": str(self.home)},
        )

    def deploy(self, assets: Path = ASSETS, **environment: str) -> subprocess.CompletedProcess[str]:
        """Deploys the files of a folder for the running server, like the command `dashboards`."""
        passwords = {f"SUPERSET_{user.upper()}_PASSWORD": self.password(user) for user in ("admin", "viewer")}
        return subprocess.run(
            [ROOT / ".venv-superset/bin/python", ROOT / "superset/deploy.py", assets],
            check=False,
            capture_output=True,
            text=True,
            cwd="/",
            env={**self.server().environ(), **passwords, **environment},
        )


def options(site: Site, company: int) -> dict[str, Any]:
    """The request of the list of countries for its values."""
    datasets = site.client("admin").get("/api/v1/dashboard/ocean-records/datasets")[1]["result"]
    dataset = next(found["id"] for found in datasets if found["table_name"] == "sales_by_country")
    asks = {"type": "NATIVE_FILTER", "native_filter_id": "NATIVE_FILTER-country", "dashboardId": company}
    query = {"columns": ["country"], "metrics": [], "filters": [], "orderby": [["country", True]], "row_limit": 1000}
    return {
        "datasource": {"id": dataset, "type": "table"},
        "queries": [{**query, "extras": {"having": "", "where": ""}, "order_desc": True}],
        "form_data": {**asks, "viz_type": "filter_select", "groupby": ["country"]},
    }


def _load(world: World) -> None:
    """Loads the shop's first months at once. Its reviews are classified before, so that the load needs no Spark."""
    for task in ("SimulateBusinessDay", "SimulateFeeds"):
        world.luigi(task, "--date", str(shop.date(LOADED)))
    classify(world, LOADED)
    world.load(shop.date(LOADED))
    for statement in FORECASTS:
        world.warehouse(statement)


# Of the end of each month, and of the last day.
FORECASTS = (
    """
    insert into mart.forecast_run (run_day, begun_ts, made_ts)
    select distinct least(month + interval '1 month' - interval '1 day', newest.day)::date, now(), now()
    from mart.sales_by_day, (select max(day) as day from mart.sales_by_day) as newest
    """,
    """
    insert into mart.sales_forecast
    select run_day, 'sales', country, run_day + n, sales, sales / 2, sales * 2, sales / 3, sales * 3
    from mart.forecast_run, generate_series(1, 90) as n,
    (
        select coalesce(country, 'everywhere') as country, sum(sales) / count(distinct day) as sales
        from mart.sales_by_day group by grouping sets ((country), ())
    ) as usual
    """,
)


@contextmanager
def running_site() -> Iterator[Site]:
    """A site of its own that runs until the block ends."""
    with running_services() as home:
        site = Site(home, "")
        _load(site.world.where(**SHOP))
        done = site.command("dashboards")
        assert done.returncode == 0, done.stderr
        yield Site(home, done.stdout)
