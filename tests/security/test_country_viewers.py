"""What Superset shows to viewers of one country whom none of its own row rules limits any more: PostgreSQL's answer."""

import importlib.util
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from support.superset_site import Client, Site, asked, options, remove_user
from support.world import ROOT

from pipeline.services.access import READER, READERS

COMPANY = "/api/v1/dashboard/ocean-records"
RULES = ("rls_filter_roles", "rls_filter_tables", "row_level_security_filters")


@pytest.fixture(scope="module")
def unruled(site: Site) -> Iterator[Site]:
    """The site, after somebody has deleted every row rule in Superset's own database."""
    assert site.metadata("select count(*) > 0 from row_level_security_filters") == [(True,)]
    for table in RULES:
        site.metadata(f"create table kept_{table} as table {table}")
        site.metadata(f"delete from {table}")
    yield site
    for table in reversed(RULES):  # as the next deployment would, which takes longer
        site.metadata(f"insert into {table} table kept_{table}")
        site.metadata(f"drop table kept_{table}")


@pytest.fixture(scope="module")
def german(unruled: Site) -> Iterator[Client]:
    """A session of a user whose one role is that of Germany's viewers."""
    admin = unruled.client("admin")
    roles = {role["name"]: role["id"] for role in admin.get("/api/v1/security/roles/")[1]["result"]}
    user: dict[str, Any] = {
        "username": "german_without_rules",
        "password": "of-the-test-alone",
        "first_name": "German",
        "last_name": "Viewer",
        "email": "german_without_rules@oceanrecords.invalid",
        "active": True,
        "roles": [roles["KPI Viewer Germany"]],
    }
    status, made = admin.post("/api/v1/security/users/", user)
    assert status == 201, made
    yield Client(unruled.url, user["username"], "of-the-test-alone")
    remove_user(admin, made["id"])


def rows(client: Client, body: dict[str, Any]) -> list[dict[str, Any]]:
    """The answer to a query of a dashboard."""
    status, answer = client.post("/api/v1/chart/data", body)
    assert status == 200, answer
    found: list[dict[str, Any]] = answer["result"][0]["data"]
    return found


def countries_to_choose(site: Site, client: Client) -> set[str]:
    """What the filter of the company dashboard offers."""
    dashboard = client.get(COMPANY)[1]["result"]["id"]
    return {row["country"] for row in rows(client, options(site, dashboard))}


def sales(client: Client) -> list[dict[str, float]]:
    """What each table of sales of the company dashboard says: the largest, by product, by subtype and by country."""
    dashboard = client.get(COMPANY)[1]["result"]["id"]
    charts = [chart["form_data"] for chart in client.get(f"{COMPANY}/charts")[1]["result"]]
    tables = [chart for chart in charts if chart.get("groupby") == ["label"]]
    return [{row["label"]: row["sales"] for row in rows(client, asked(chart, dashboard))} for chart in tables]


def sales_in_the_warehouse(site: Site, where: str) -> list[dict[str, float]]:
    views = ("sales_by_product", "sales_by_subtype", "sales_by_country")
    query = "select label, sum(sales)::float from mart.{} where {} group by label"
    return [dict(site.world.warehouse(query.format(view, where))) for view in views]


def are_largest(shown: dict[str, float], known: dict[str, float]) -> bool:
    """Whether the rows shown are the ten largest of those known, each with its own sales."""
    largest = sorted(known.values())[-10:]
    own = shown.keys() <= known.keys() and all(sales == pytest.approx(known[label]) for label, sales in shown.items())
    return own and sorted(shown.values()) == pytest.approx(largest)


def test_without_supersets_own_rules_one_country_is_shown_all_the_same(unruled: Site, german: Client) -> None:
    assert countries_to_choose(unruled, german) == {"Germany"}
    known = sales_in_the_warehouse(unruled, "country = 'Germany'")
    shown = sales(german)
    assert len(shown) >= 2
    assert all(any(are_largest(one, other) for other in known) for one in shown)


def test_whoever_sees_every_country_still_does(unruled: Site, german: Client) -> None:
    """Asked after a viewer of one country, so that no connection of his is used again."""
    assert countries_to_choose(unruled, german) == {"Germany"}
    every = {country for (country,) in unruled.world.warehouse("select distinct country from mart.sales_by_product")}
    assert len(every) > 1
    for user in ("viewer", "admin"):
        assert countries_to_choose(unruled, unruled.client(user)) == every
    assert countries_to_choose(unruled, german) == {"Germany"}


def test_a_metric_that_runs_a_query_of_its_own_finds_no_other_country(unruled: Site, german: Client) -> None:
    """Superset lets or refuses such a metric; what comes back says nothing of another country either way."""
    inner = "select quote_literal(string_agg(distinct country, ':')) from mart.sales_by_country"
    text = f"select $r$'a'$r$::tsquery, ({inner})::tsquery"
    metric = f"max(ts_rewrite('a'::tsquery, $q${text}$q$)::text)"
    chart = next(one["form_data"] for one in german.get(f"{COMPANY}/charts")[1]["result"])
    number, _, kind = chart["datasource"].partition("__")
    dashboard = german.get(COMPANY)[1]["result"]["id"]
    adhoc = {"expressionType": "SQL", "sqlExpression": metric, "label": "found"}
    body = {
        "datasource": {"id": int(number), "type": kind},
        "form_data": {"slice_id": chart["slice_id"], "dashboardId": dashboard},
        "queries": [{"columns": [], "metrics": [adhoc]}],
    }
    said = str(german.post("/api/v1/chart/data", body))
    others = unruled.world.warehouse("select distinct country from mart.sales_by_country where country <> 'Germany'")
    assert others
    assert not [country for (country,) in others if country in said]


@pytest.fixture
def logins() -> ModuleType:
    """superset/warehouse_logins.py, which is in no package."""
    spec = importlib.util.spec_from_file_location("warehouse_logins", ROOT / "superset/warehouse_logins.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


EVERYONE = {"KPI Viewer", "Public"}
URLS = {"SUPERSET_WAREHOUSE_URL": "every", "SUPERSET_WAREHOUSE_URL_GERMANY": "germany"}


@pytest.mark.parametrize(
    ("roles", "expected"),
    [
        ({"Admin"}, "every"),
        ({"Admin", "KPI Viewer Germany"}, "every"),
        ({"KPI Viewer"}, "every"),
        ({"Public"}, "every"),
        ({"KPI Viewer Germany"}, "germany"),
        ({"KPI Viewer Germany", "KPI Viewer"}, "germany"),
        ({"KPI Viewer Germany", "Gamma"}, "germany"),
    ],
)
def test_a_role_of_a_country_limits_whoever_has_it(logins: ModuleType, roles: set[str], expected: str) -> None:
    assert logins.url(roles, EVERYONE, URLS) == expected


@pytest.mark.parametrize(
    ("roles", "urls", "said"),
    [
        (set(), URLS, "none of the roles"),
        ({"Gamma", "KPI Viewer Peru"}, URLS, "none of the roles"),
        (
            {"KPI Viewer Germany"},
            {**URLS, "SUPERSET_WAREHOUSE_URL_GERMANY": ""},
            "SUPERSET_WAREHOUSE_URL_GERMANY is not",
        ),
        ({"KPI Viewer Germany", "KPI Viewer France"}, URLS, "several countries"),
    ],
)
def test_who_is_of_no_known_role_or_has_no_login_is_refused(
    logins: ModuleType, monkeypatch: pytest.MonkeyPatch, roles: set[str], urls: dict[str, str], said: str
) -> None:
    monkeypatch.setitem(logins.COUNTRIES, "KPI Viewer France", "France")
    with pytest.raises(logins.NoLogin, match=said):
        logins.url(roles, EVERYONE, urls)


def test_each_country_of_a_role_has_a_reader(logins: ModuleType) -> None:
    suffixes = {reader.removeprefix(READER).upper() for reader in READERS[1:]}
    assert {logins.EVERY_COUNTRY + suffix for suffix in suffixes} == set(
        map(logins.variable, logins.COUNTRIES.values())
    )
    assert logins.variable("United Kingdom") == "SUPERSET_WAREHOUSE_URL_UNITED_KINGDOM"
