"""Who looks at a dashboard runs its stored queries and no SQL of his own.

That it is so without a login too is among the tests of the deployment, which allow that once.
"""

import copy
import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest
from support.superset_site import Client, Site, asked, options, remove_user

CHART_DATA, EXPLORE = "/api/v1/chart/data", "/superset/explore_json/"
REFUSED = "it is not what a chart of the dashboard asks"
SPY = (
    "max(ts_rewrite('a'::tsquery, $q$select 'a'::tsquery, quote_literal(string_agg(country || ':' || s, ';'))::tsquery"
    " from (select country, sum(sales) as s from mart.sales_by_country group by 1) as x$q$)::text)"
)
STATISTICS = "max((select string_agg(word, ';') from ts_stat($q$select to_tsvector(country) from mart.risk_band$q$)))"
XML = "max(query_to_xml('select * from mart.task_run', true, false, '')::text)"
SLEEP = "max(pg_sleep(1)::text)"


def sql(expression: str) -> dict[str, str]:
    """A metric, a column or what to order by, as the browser sends one that is not in the dataset."""
    return {"expressionType": "SQL", "sqlExpression": expression, "label": "own"}


def query(**parts: Any) -> Callable[[Any], None]:
    return lambda body: body["queries"][0].update(parts)


def form(**parts: Any) -> Callable[[Any], None]:
    return lambda body: body["form_data"].update(parts)


def answer(**parts: Any) -> Callable[[Any], None]:
    return lambda body: body.update(parts)


def without(name: str) -> Callable[[Any], None]:
    return lambda body: body["form_data"].pop(name)


def narrowed(*conditions: dict[str, Any]) -> Callable[[Any], None]:
    return lambda body: body["queries"][0]["filters"].extend(conditions)


def unfiltered(body: Any) -> None:
    body["queries"][0]["filters"].clear()


def twice(body: Any) -> None:
    body["queries"] += copy.deepcopy(body["queries"])


CHANGES: dict[str, Callable[[Any], None]] = {
    "a metric that rewrites a query": query(metrics=[sql(SPY)]),
    "a metric with statistics of a query": query(metrics=[sql(STATISTICS)]),
    "a metric with a query as XML": query(metrics=[sql(XML)]),
    "a metric that sleeps": query(metrics=[sql(SLEEP)]),
    "a metric of the stored name": query(metrics=[{**sql(SPY), "label": "sales"}]),
    "one more metric": query(metrics=["sales", "orders", sql("count(*)")]),
    "a metric of a column": query(
        metrics=[{"expressionType": "SIMPLE", "column": {"column_name": "sales"}, "aggregate": "MAX", "label": "own"}]
    ),
    "another metric": query(metrics=["orders"]),
    "another column": query(columns=["country"]),
    "a column of SQL": query(columns=[sql("version()")]),
    "a column of SQL said to be a reference": query(columns=[{**sql("version()"), "isColumnReference": True}]),
    "groups under the old name": query(groupby=[sql("version()")]),
    "series": query(columns=["label"], series_columns=["label"], series_limit=5),
    "a series limit by SQL": query(series_limit=5, series_limit_metric=sql(SPY)),
    "an old series limit": query(timeseries_limit=5, timeseries_limit_metric=sql(SPY)),
    "an order by SQL": query(orderby=[[sql(SPY), True]]),
    "another order": query(orderby=[["orders", False]]),
    "the other direction": query(order_desc=False),
    "a filter by SQL": query(extras={"where": "country = current_user"}),
    "groups by SQL": query(extras={"having": "sum(sales) > 1"}),
    "a filter by SQL under the old name": query(where="country = current_user"),
    "groups by SQL under the old name": query(having="sum(sales) > 1"),
    "another time grain": query(extras={"time_grain_sqla": "PT1S"}),
    "a time column": query(granularity="month", is_timeseries=True),
    "an old time column": query(granularity_sqla="month"),
    "a time shift": query(time_shift="1 year"),
    "time offsets": query(time_offsets=["1 year ago"]),
    "more rows": query(row_limit=11),
    "fewer rows": query(row_limit=1),
    "no limit": query(row_limit=None),
    "the rows after those": query(row_offset=10),
    "a count of the rows": query(is_rowcount=True),
    "what is left over": query(series_limit=1, group_others_when_limit_reached=True),
    "work on the result": query(post_processing=[{"operation": "cum", "options": {"operator": "sum", "columns": {}}}]),
    "an annotation": query(
        annotation_layers=[
            {
                "annotationType": "EVENT",
                "sourceType": "table",
                "name": "own",
                "value": 1,
                "show": True,
                "showMarkers": True,
            }
        ]
    ),
    "parameters of the address": query(url_params={"country": "{{ 1 }}"}),
    "one more parameter of the address": query(url_params={"native_filters_key": "x", "country": "{{ 1 }}"}),
    "parameters of the address in the form": form(url_params={"country": "{{ 1 }}"}),
    "columns of a tooltip": form(tooltip_contents=["country"]),
    "another type": form(viz_type="pivot_table_v2", currency_format={"symbol": "AUTO"}),
    "more rows by pages": form(server_pagination=True),
    "the SQL": answer(result_type="query"),
    "samples": answer(result_type="samples"),
    "the single rows": answer(result_type="drill_detail"),
    "the columns": answer(result_type="columns"),
    "the time columns": answer(result_type="timegrains"),
    "samples of one query": query(result_type="samples"),
    "a second query": twice,
    "no query": answer(queries=[]),
    "no filter": unfiltered,
    "a filter on a column that no filter of the dashboard has": narrowed({"col": "label", "op": "IN", "val": ["x"]}),
    "a filter on SQL": narrowed({"col": sql("version()"), "op": "IN", "val": ["x"]}),
    "a filter with a pattern": narrowed({"col": "country", "op": "LIKE", "val": "G%"}),
    "a filter that excludes": narrowed({"col": "country", "op": "NOT IN", "val": ["Germany"]}),
    "a filter with a query for a value": narrowed({"col": "country", "op": "IN", "val": [{"sqlExpression": "x"}]}),
    "a filter with more values than a list offers": narrowed({"col": "country", "op": "IN", "val": ["x"] * 1001}),
    "a filter with a long text": narrowed({"col": "country", "op": "IN", "val": ["x" * 301]}),
    "a filter by a grain": narrowed({"col": "country", "op": "IN", "val": ["Germany"], "grain": "P1D"}),
    "another time filter": narrowed({"col": "month", "op": "TEMPORAL_RANGE", "val": "2025-10-01 : 2026-01-01"}),
    "no chart": without("slice_id"),
    "no dashboard": without("dashboardId"),
    "a chart that is not there": form(slice_id=10**6),
    "a number that no chart can have": form(slice_id=10**12),
    "a chart under a name": form(slice_id="1"),
    "the drill of a chart": form(slice_id=0, chart_id=1, groupby=["country"]),
    "a chart of a chart": form(parent_slice_id=1),
    "a list for a form": answer(form_data=["slice_id"]),
    "a text for a form": answer(form_data="slice_id"),
    "yes for a chart": form(slice_id=True),
    "a filter that asks": form(type="NATIVE_FILTER", native_filter_id="NATIVE_FILTER-country"),
}


@pytest.fixture(scope="module")
def company(site: Site) -> int:
    found: int = site.client("admin").get("/api/v1/dashboard/ocean-records")[1]["result"]["id"]
    return found


@pytest.fixture(scope="module")
def charts(site: Site) -> dict[str, Any]:
    """The forms of all charts, by their titles."""
    admin, found = site.client("admin"), {}
    for slug in ("ocean-records", "pipeline-health"):
        for chart in admin.get(f"/api/v1/dashboard/{slug}/charts")[1]["result"]:
            found[chart["slice_name"]] = chart["form_data"]
    return found


@pytest.fixture(scope="module")
def viewer(site: Site) -> Client:
    return site.client("viewer")


@pytest.fixture(scope="module")
def visitor(site: Site) -> Client:
    """The viewer with a session of a browser, which some addresses want."""
    client = site.client(None)
    assert by_form(client, "viewer", site.password("viewer")) == 200
    return client


@pytest.fixture
def top(charts: dict[str, Any], company: int) -> dict[str, Any]:
    """What the page sends for the countries with the largest sales."""
    return asked(charts["Top countries by sales (shop's currency)"], company)


@pytest.fixture
def figures(charts: dict[str, Any], company: int) -> dict[str, Any]:
    """What the page sends for the key figures, of which the server makes the query."""
    chart = charts["Key figures, more is better (last complete month, shop's currency)"]
    return {**chart, "dashboardId": company, "extra_form_data": {}, "row_limit": 10_000, "time_range": "No filter"}


def by_form(client: Client, user: str, password: str) -> int:
    """Logs in at the page, and returns the status of what comes then."""
    page = client.get("/login/")[1].decode()
    token = re.search(r'id="csrf_token"\s+value="([^"]+)"', page)
    assert token
    return client.submit("/login/", {"username": user, "password": password, "csrf_token": token[1]})[0]


def refused(found: tuple[int, Any]) -> bool:
    status, said = found
    return status == 403 and REFUSED in json.dumps(said)


def labels(found: tuple[int, Any], column: str = "label") -> list[Any]:
    status, said = found
    assert status == 200, said
    return [row[column] for row in said["result"][0]["data"]]


def test_the_stored_query_of_a_chart_is_answered(site: Site, viewer: Client, top: dict[str, Any]) -> None:
    largest = "select country from mart.sales_by_country group by 1 order by sum(sales) desc nulls last limit 10"
    drawn = labels(viewer.post(CHART_DATA, top))  # from below
    assert [(label,) for label in reversed(drawn)] == site.world.warehouse(largest)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_changed_query_is_refused_in_silence(
    site: Site, viewer: Client, top: dict[str, Any], change: Callable[[Any], None]
) -> None:
    change(top)
    assert refused(viewer.post(CHART_DATA, top))
    assert "SupersetSecurityException" not in (site.home / "log/superset.log").read_text()


def test_a_page_that_keeps_its_filters_in_its_address_gets_its_charts_and_lists(
    site: Site, viewer: Client, visitor: Client, top: dict[str, Any], figures: dict[str, Any], company: int
) -> None:
    address = {"url_params": {"native_filters_key": "aLongKey", "show_filters": "1"}}
    countries, asks = labels(viewer.post(CHART_DATA, top)), options(site, company)
    for body in (top, asks):
        query(**address)(body)
        form(**address)(body)
    assert labels(viewer.post(CHART_DATA, top)) == countries
    assert set(labels(viewer.post(CHART_DATA, asks), "country")) >= set(countries)
    assert explored(visitor, {**figures, **address})[0] == 200


def test_another_charts_query_and_another_dashboards_chart_are_refused(
    site: Site, viewer: Client, charts: dict[str, Any], top: dict[str, Any], company: int
) -> None:
    products = asked(charts["Top products by sales (shop's currency)"], company)
    assert labels(viewer.post(CHART_DATA, products))
    assert refused(viewer.post(CHART_DATA, {**top, "form_data": products["form_data"]}))
    assert refused(viewer.post(CHART_DATA, {**top, "datasource": products["datasource"]}))
    runs = charts["Runs of tasks, failed and newest first"]
    health = site.client("admin").get("/api/v1/dashboard/pipeline-health")[1]["result"]["id"]
    dataset = {"datasource": {"id": int(runs["datasource"].partition("__")[0]), "type": "table"}}
    for dashboard in (company, health):
        asks = {**top, **dataset, "form_data": {**runs, "dashboardId": dashboard}}
        assert refused(viewer.post(CHART_DATA, asks))


def test_a_value_of_the_dashboards_filter_narrows_a_chart(viewer: Client, top: dict[str, Any]) -> None:
    narrowed({"col": "country", "op": "IN", "val": ["Germany"]})(top)
    assert labels(viewer.post(CHART_DATA, top)) == ["Germany"]
    hostile = "Germany' or ts_rewrite('a'::tsquery, 'select 1') is null --"
    top["queries"][0]["filters"][-1]["val"] = [hostile]
    assert labels(viewer.post(CHART_DATA, top)) == []


def test_a_time_range_of_the_dashboards_filter_narrows_a_chart(viewer: Client, top: dict[str, Any]) -> None:
    every = labels(viewer.post(CHART_DATA, top), "sales")
    query(time_range="2025-10-01 : 2025-11-01")(top)
    assert 0 < sum(labels(viewer.post(CHART_DATA, top), "sales")) < sum(every)
    query(time_range="x" * 10_000)(top)
    assert refused(viewer.post(CHART_DATA, top))


def test_a_filter_offers_the_values_of_its_own_column_alone(site: Site, viewer: Client, company: int) -> None:
    asks = options(site, company)
    countries = site.world.warehouse("select distinct country from mart.sales_by_country order by 1")
    assert [(country,) for country in sorted(labels(viewer.post(CHART_DATA, asks), "country"))] == sorted(countries)
    changes: list[Callable[[Any], None]] = [
        query(columns=["label"]),
        query(metrics=None),
        query(columns=[sql("version()")]),
        query(columns=["country", sql("version()")]),
        query(metrics=[sql(SPY)]),
        query(metrics=["sales"]),
        query(orderby=[[sql(SPY), True]]),
        query(extras={"where": "country = current_user"}),
        query(row_limit=10_000),
        narrowed({"col": sql("version()"), "op": "IN", "val": ["x"]}),
        narrowed({"col": "country", "op": "ILIKE", "val": "%G%"}),
        form(native_filter_id="NATIVE_FILTER-time"),
        form(native_filter_id="NATIVE_FILTER-none"),
        form(native_filter_id=None),
        form(tooltip_contents=["sales"]),
        form(viz_type="pivot_table_v2"),
        answer(result_type="samples"),
        twice,
    ]
    for change in changes:
        changed = options(site, company)
        change(changed)
        assert refused(viewer.post(CHART_DATA, changed)), changed
    products = site.client("admin").get("/api/v1/dashboard/ocean-records/datasets")[1]["result"]
    for dataset in {found["id"] for found in products} - {asks["datasource"]["id"]}:
        assert refused(viewer.post(CHART_DATA, {**asks, "datasource": {"id": dataset, "type": "table"}}))


def explored(client: Client, sent: dict[str, Any], more: str = "") -> tuple[int, Any]:
    """The answer to a form of which the server makes the query."""
    return client.submit(f"{EXPLORE}?{more}", {"form_data": json.dumps(sent)})


def test_a_form_of_which_the_server_makes_the_query_is_the_stored_one(
    visitor: Client, figures: dict[str, Any], charts: dict[str, Any]
) -> None:
    germany = {"filters": [{"col": "country", "op": "IN", "val": ["Germany"]}], "time_range": "2025-10-01 : 2026-01-01"}
    status, every = explored(visitor, figures)
    assert (status, len(every["data"]["records"]) > 3) == (200, True)
    status, some = explored(visitor, {**figures, "extra_form_data": germany})
    assert (status, len(some["data"]["records"])) == (200, 3)
    chosen: list[dict[str, Any]] = [
        {"filters": [{"col": "is_complete", "op": "IN", "val": ["x"]}]},
        {"filters": [{"col": sql("version()"), "op": "IN", "val": ["x"]}]},
        {"adhoc_filters": [{**sql("country = current_user"), "clause": "WHERE"}]},
        {"granularity_sqla": "quarter"},
        {"time_grain_sqla": "PT1S"},
        {"custom_form_data": {"groupby": ["country"]}},
    ]
    changes: list[dict[str, Any]] = [
        {"metrics": [sql(SPY)]},
        {"metrics": ["sales"]},
        {"metric": sql(SPY)},
        {"percent_metrics": [sql(SLEEP)]},
        {"groupby": ["country"], "metrics": ["sales"]},
        {"columns": [sql("version()")]},
        {"where": "country = current_user"},
        {"having": "sum(sales) > 1"},
        {"filters": [{"col": "country", "op": "==", "val": "Germany"}]},
        {"extra_filters": [{"col": "country", "op": "==", "val": "Germany"}]},
        {"adhoc_filters": []},
        {"adhoc_filters": [*figures["adhoc_filters"], {**sql("country = current_user"), "clause": "WHERE"}]},
        {"granularity_sqla": "quarter"},
        {"time_grain_sqla": "PT1S"},
        {"time_range": "2025-10-01 : 2026-01-01"},
        {"since": "2025-10-01"},
        {"row_limit": 50_000},
        {"limit": 1, "timeseries_limit_metric": sql(SPY)},
        {"viz_type": "cal_heatmap"},
        {"annotation_layers": [{"name": "own", "annotationType": "EVENT", "value": 1}]},
        {"url_params": {"country": "Germany"}},
        {"slice_id": charts["Runs of tasks, failed and newest first"]["slice_id"]},
        {"slice_id": None},
        {"dashboardId": None},
        {"type": "NATIVE_FILTER", "native_filter_id": "NATIVE_FILTER-country", "metrics": [sql(SPY)]},
        *({"extra_form_data": found} for found in (*chosen, ["filters"], {"filters": "x"}, {"filters": ["x"]})),
    ]
    for change in changes:
        assert refused(explored(visitor, {**figures, **change})), change
    for kind in ("samples", "query", "columns", "drill_detail"):
        assert refused(explored(visitor, figures, f"{kind}=true")), kind


def test_a_form_in_the_address_is_no_way_around(visitor: Client, figures: dict[str, Any]) -> None:
    named = {name: figures[name] for name in ("slice_id", "dashboardId", "datasource", "viz_type", "granularity_sqla")}
    for change in ({"metrics": [sql(SPY)]}, {"metrics": [sql(SLEEP)]}, {"metrics": ["sales"], "adhoc_filters": []}):
        for path in (EXPLORE, f"{EXPLORE}table/{figures['datasource'].partition('__')[0]}/"):
            assert refused(visitor.get(f"{path}?form_data={quote(json.dumps({**named, **change}))}")), change


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("get", "/api/v1/datasource/table/{dataset}/column/country/values/"),
        ("post", "/api/v1/datasource/table/{dataset}/validate_expression/"),
        ("post", "/datasource/samples?datasource_id={dataset}&datasource_type=table&dashboard_id={dashboard}"),
        ("get", "/datasource/external_metadata/table/{dataset}/"),
        ("get", "/api/v1/dataset/{dataset}/drill_info/?q=(dashboard_id:{dashboard})"),
        ("get", "/api/v1/explore/?datasource_id={dataset}&datasource_type=table"),
        ("get", "/api/v1/explore/?slice_id={chart}"),
        ("get", "/api/v1/form_data/?slice_id={chart}"),
        ("post", "/api/v1/explore/form_data"),
        ("post", "/api/v1/explore/permalink"),
        ("post", "/api/v1/query/"),
        ("post", "/api/v1/sqllab/execute/"),
        ("post", "/api/v1/sqllab/estimate/"),
        ("get", "/api/v1/chart/{chart}/data/"),
        ("get", "/api/v1/chart/{chart}/data/?type=samples"),
        ("get", "/api/v1/chart/data/0123456789"),
    ],
)
def test_no_other_way_leads_to_data(viewer: Client, top: dict[str, Any], company: int, method: str, path: str) -> None:
    path = path.format(dataset=top["datasource"]["id"], dashboard=company, chart=top["form_data"]["slice_id"])
    dataset = {"datasource_id": top["datasource"]["id"], "datasource_type": "table", "form_data": "{}"}
    body = {"database_id": 1, "sql": "select 1", "expression": "1", **dataset}
    status, _ = viewer.get(path) if method == "get" else viewer.post(path, body)
    # 400: imported charts keep no query of their own; 404: there is no such answer in the cache.
    assert status in (400, 401, 403, 404)


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_a_viewer_exports_nothing(viewer: Client, top: dict[str, Any], kind: str) -> None:
    assert viewer.post(CHART_DATA, {**top, "result_format": kind})[0] == 403


@pytest.fixture
def german(site: Site) -> Iterator[Client]:
    """Somebody with the role that sees one country."""
    admin, password = site.client("admin"), "of-the-test-alone"
    roles = {role["name"]: role["id"] for role in admin.get("/api/v1/security/roles/")[1]["result"]}
    names = {"first_name": "One", "last_name": "Country", "email": "one-country@oceanrecords.invalid"}
    user = {"username": "one-country", "password": password, "active": True, "roles": [roles["KPI Viewer Germany"]]}
    status, made = admin.post("/api/v1/security/users/", {**user, **names})
    assert status == 201, made
    yield Client(site.url, "one-country", password)
    remove_user(admin, made["id"])


def test_a_viewer_of_one_country_gets_that_country_alone(
    site: Site, german: Client, top: dict[str, Any], company: int
) -> None:
    assert labels(german.post(CHART_DATA, top)) == ["Germany"]
    assert labels(german.post(CHART_DATA, options(site, company)), "country") == ["Germany"]
    others = "select distinct country from mart.sales_by_country where country <> 'Germany'"
    narrowed({"col": "country", "op": "IN", "val": [country for (country,) in site.world.warehouse(others)]})(top)
    assert labels(german.post(CHART_DATA, top)) == []
    for name in ("a metric that rewrites a query", "another column", "a filter by SQL", "samples", "no chart"):
        changed = copy.deepcopy(top)
        CHANGES[name](changed)
        assert refused(german.post(CHART_DATA, changed)), name


def test_an_admin_asks_what_he_likes(site: Site, top: dict[str, Any]) -> None:
    admin = site.client("admin")
    query(metrics=[sql("count(*)")], columns=["country"], orderby=[], series_limit_metric=None, post_processing=[])(top)
    assert set(labels(admin.post(CHART_DATA, top), "country")) > {"Germany"}


def test_who_only_looks_has_no_form_computed_again(visitor: Client, figures: dict[str, Any]) -> None:
    assert explored(visitor, figures)[0] == 200
    # No page sends the other word, so this is not the answer that was kept: the server goes on to Superset's own cache.
    status, again = explored(visitor, figures, "force=true&more=1")
    assert (status, again["is_cached"]) == (200, True)


@pytest.mark.parametrize(
    "path", ["dashboard/related/owners", "dashboard/related/roles", "chart/related/owners", "theme/related/created_by"]
)
def test_only_an_admin_lists_users_and_roles(site: Site, viewer: Client, visitor: Client, path: str) -> None:
    assert [client.get(f"/api/v1/{path}")[0] for client in (viewer, visitor)] == [403, 403]
    assert site.client("admin").get(f"/api/v1/{path}")[0] == 200


@pytest.fixture
def attempts(site: Site) -> Iterator[None]:
    """Failed logins that are forgotten after the test, so that they hold off nobody else."""
    yield
    with sqlite3.connect(site.home / "superset/attempts.sqlite") as database:
        database.execute("delete from attempts")
    database.close()


@pytest.mark.usefixtures("attempts")
def test_whoever_has_logged_in_is_held_off_too(site: Site, visitor: Client) -> None:
    login = {"username": "admin", "password": "wrong", "provider": "db"}
    statuses = [visitor.post("/api/v1/security/login", login)[0] for _ in range(11)]
    assert (statuses[0], statuses[-1]) == (401, 429)
    right = {**login, "password": site.password("admin")}
    assert visitor.post("/api/v1/security/login", right)[0] == 429


@pytest.mark.usefixtures("attempts")
def test_a_login_is_tried_by_one_name_alone(site: Site) -> None:
    stranger = site.client(None)
    token = re.search(r'id="csrf_token"\s+value="([^"]+)"', stranger.get("/login/")[1].decode())
    assert token
    stranger.headers["X-CSRFToken"] = token[1]
    for name in (["viewer", "1"], "viewer"):
        assert stranger.post("/login/", {"username": name, "password": site.password("viewer")})[0] == 400
    login = {"username": ["viewer", "1"], "password": site.password("viewer"), "provider": "db"}
    assert stranger.post("/api/v1/security/login", login)[0] == 400
    assert stranger.get("/api/v1/me/")[0] == 401


@pytest.mark.usefixtures("attempts")
def test_who_guesses_passwords_is_held_off_and_nobody_else(site: Site) -> None:
    login = {"username": "guessed", "password": "wrong", "provider": "db"}
    stranger = site.client(None)
    statuses = [stranger.post("/api/v1/security/login", login)[0] for _ in range(50)]
    assert (statuses[0], statuses[9], statuses[-1]) == (401, 401, 429)
    assert {by_form(site.client(None), "guessed", "wrong") for _ in range(10)} >= {429}
    assert by_form(site.client(None), "viewer", site.password("viewer")) == 200
    for _ in range(15):  # logins that are right do not count
        assert site.client("viewer").get("/api/v1/me/")[0] == 200
