"""Dashboards as files, brought into a real Superset: twice, broken, changed by hand; and who may see them."""

import io
import os
import shutil
import signal
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import urllib3
from support.superset_site import ASSETS, FOREIGN, Client, Site, asked
from support.world import ROOT, secrets_of

from pipeline import services
from pipeline.kernel.errors import ServiceFailed
from pipeline.services.access import Access
from pipeline.services.superset import Settings, Superset

COMPANY, CHART_DATA = "/api/v1/dashboard/ocean-records", "/api/v1/chart/data"
# What Superset writes down of its own accord, and the moments at which something was last done.
VOLATILE_TABLES = {"logs", "cache_keys", "key_value"}


def row_counts(site: Site) -> dict[str, int]:
    tables = {table for (table,) in site.metadata("select tablename from pg_tables where schemaname = 'public'")}
    return {table: site.metadata(f"select count(*) from {table}")[0][0] for table in tables - VOLATILE_TABLES}


def exports(site: Site) -> dict[str, bytes]:
    """All assets as Superset itself writes them down."""
    status, content = site.client("admin").get("/api/v1/assets/export/")
    assert status == 200
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = {name: name.partition("/")[2] for name in archive.namelist()}
        return {name: archive.read(path) for path, name in names.items() if name != "metadata.yaml"}


def charts_of(client: Client, dashboard: str) -> list[dict[str, Any]]:
    status, answer = client.get(f"/api/v1/dashboard/{dashboard}/charts")
    assert status == 200
    return [chart["form_data"] for chart in answer["result"]]


def query(
    client: Client, chart: dict[str, Any], dashboard: int | None, column: str = "country"
) -> tuple[int, set[Any]]:
    """Status, and the values of a column in the dataset of a chart, which is no query that a viewer may send."""
    dataset, _, kind = chart["datasource"].partition("__")
    form = {"slice_id": chart["slice_id"], "dashboardId": dashboard}
    body = {
        "datasource": {"id": int(dataset), "type": kind},
        "form_data": {name: value for name, value in form.items() if value is not None},
        "queries": [{"columns": [column], "metrics": [], "row_limit": 1000}],
    }
    status, answer = client.post(CHART_DATA, body)
    return status, {row[column] for row in answer["result"][0]["data"]} if status == 200 else set()


def dashboard_id(site: Site, slug: str) -> int:
    found: int = site.client("admin").get(f"/api/v1/dashboard/{slug}")[1]["result"]["id"]
    return found


@pytest.fixture
def assets(tmp_path: Path) -> Path:
    """A copy of the files, to be spoiled."""
    return Path(shutil.copytree(ASSETS, tmp_path / "assets"))


def chart_by_country(site: Site) -> dict[str, Any]:
    """The chart of the company dashboard on mart.sales_by_product, which is by country and in no filter."""
    admin = site.client("admin")
    datasets = admin.get(f"{COMPANY}/datasets")[1]["result"]
    wanted = next(dataset["uid"] for dataset in datasets if dataset["table_name"] == "sales_by_product")
    return next(chart for chart in charts_of(admin, "ocean-records") if chart["datasource"] == wanted)


def test_a_second_deployment_changes_nothing(site: Site) -> None:
    rows, before = row_counts(site), exports(site)
    assert rows["slices"] == len(list(ASSETS.glob("charts/*.yaml")))
    done = site.deploy()
    assert (done.returncode, done.stdout.count("not in the warehouse")) == (0, 0), done.stderr
    assert row_counts(site) == rows
    after = exports(site)
    assert [name for name in before | after if before.get(name) != after.get(name)] == []


def test_what_was_changed_by_hand_is_undone_and_what_users_made_is_left(site: Site) -> None:
    admin, before = site.client("admin"), exports(site)
    chart = chart_by_country(site)
    assert admin.put(f"/api/v1/chart/{chart['slice_id']}", {"slice_name": "By hand"})[0] == 200
    viewers = next(
        role["id"] for role in admin.get("/api/v1/security/roles/")[1]["result"] if role["name"] == "KPI Viewer"
    )
    assert admin.post(f"/api/v1/security/roles/{viewers}/permissions", {"permission_view_menu_ids": [1, 2]})[0] == 200
    dataset = int(chart["datasource"].partition("__")[0])
    own = {"slice_name": "A user's own", "viz_type": "table", "datasource_id": dataset, "datasource_type": "table"}
    status, made = admin.post("/api/v1/chart/", own)
    assert status == 201
    assert site.deploy().returncode == 0
    after = exports(site)
    assert {name for name in after if name not in before} == {
        name for name in after if name.startswith("charts/A_users_own")
    }
    assert {name: after[name] for name in before} == before
    assert site.client("viewer").get("/api/v1/dataset/")[0] == 403
    assert admin.delete(f"/api/v1/chart/{made['id']}")[0] == 200


def test_a_chart_without_a_file_is_gone_after_the_next_deployment(site: Site, assets: Path) -> None:
    before = exports(site)
    more = (assets / "charts/top_products.yaml").read_text()
    more = more.replace("uuid: a3d124e6", "uuid: ffffffff").replace("slice_name: ", "slice_name: More ")
    (assets / "charts/more.yaml").write_text(more)
    assert site.deploy(assets).returncode == 0
    assert len(exports(site)) == len(before) + 1
    assert site.deploy().returncode == 0
    assert exports(site) == before


def replaced(name: str, old: str, new: str) -> Callable[[Path], None]:
    def spoil(assets: Path) -> None:
        text = (assets / name).read_text()
        assert old in text
        (assets / name).write_text(text.replace(old, new))

    return spoil


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (
            replaced("charts/top_products.yaml", "slice_name:", "slice_name: ["),
            "charts/top_products.yaml is no valid YAML",
        ),
        (
            replaced("charts/top_products.yaml", "uuid: a3d124e6", "uuid: a3d1"),
            "charts/top_products.yaml has no valid uuid",
        ),
        (
            replaced("charts/top_products.yaml", "dataset_uuid: 8ce7d2d8", "dataset_uuid: ffffffff"),
            "charts/top_products.yaml names the dataset ffffffff-",
        ),
        (
            replaced("charts/top_products.yaml", "  - orders", "  - refunds"),
            "charts/top_products.yaml names the metric refunds, which its dataset sales_by_product has not",
        ),
        (
            replaced("datasets/sales_by_product.yaml", "database_uuid: 0127f902", "database_uuid: ffffffff"),
            "datasets/sales_by_product.yaml names the database ffffffff-",
        ),
        (
            lambda assets: (assets / "charts/top_products.yaml").unlink(),
            "dashboards/ocean-records.yaml names the chart a3d124e6-",
        ),
        (
            replaced("dashboards/ocean-records.yaml", "column: {name: country}", "column: {name: continent}"),
            "dashboards/ocean-records.yaml names the column continent in a filter",
        ),
        (
            lambda assets: shutil.copy(assets / "charts/top_products.yaml", assets / "charts/copy.yaml"),
            "charts/top_products.yaml has the uuid of charts/copy.yaml",
        ),
        (
            lambda assets: shutil.move(assets / "charts/top_products.yaml", assets / "charts/top_products.yml"),
            "charts/top_products.yml is no .yaml file in one of the folders",
        ),
        (lambda assets: (assets / "metadata.yaml").unlink(), "metadata.yaml is missing"),
        # These Superset itself refuses, or the warehouse.
        (
            replaced("charts/top_products.yaml", "slice_name:", "slice_title:"),
            "charts/top_products.yaml is not what Superset expects",
        ),
        (
            replaced("datasets/sales_by_product.yaml", "expression: SUM(sales)", "expression: SUM(sails)"),
            'datasets/sales_by_product.yaml does not fit the warehouse: column "sails" does not exist',
        ),
        (replaced("dashboards/ocean-records.yaml", "slug: ocean-records", "slug: other"), "slug: ocean-records"),
    ],
)
def test_a_broken_file_is_named_and_nothing_pretends(
    site: Site, assets: Path, spoil: Callable[[Path], None], said: str
) -> None:
    spoil(assets)
    done = site.deploy(assets)
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 1
    assert last.startswith("cannot deploy the dashboards, because ")
    assert said in last


def test_a_warehouse_that_does_not_answer_is_said_without_its_password(site: Site) -> None:
    done = site.deploy(SUPERSET_WAREHOUSE_URL="postgresql://bi_reader:unspoken@127.0.0.1:1/warehouse")
    assert done.returncode == 1
    assert "the warehouse does not answer" in done.stderr
    assert "unspoken" not in done.stdout + done.stderr


def test_the_viewer_sees_the_company_dashboard(site: Site) -> None:
    viewer = site.client("viewer")
    status, dashboards = viewer.get("/api/v1/dashboard/")
    assert (status, [found["slug"] for found in dashboards["result"]]) == (200, ["ocean-records"])
    charts = charts_of(viewer, "ocean-records")
    assert len(charts) == len(charts_of(site.client("admin"), "ocean-records"))
    top = "select label from mart.sales_by_product group by label order by sum(sales) desc nulls last limit 10"
    status, answer = viewer.post(CHART_DATA, asked(chart_by_country(site), dashboard_id(site, "ocean-records")))
    assert status == 200, answer
    assert [(row["label"],) for row in answer["result"][0]["data"]] == site.world.warehouse(top)


@pytest.mark.parametrize(
    "path",
    [
        "dashboard/pipeline-health",
        "dashboard/pipeline-health/charts",
        "dashboard/customer-behaviour",
        "chart/1",
        "dataset/",
        "dataset/1",
        "database/",
        "database/1",
        "database/1/schemas/",
        "sqllab/",
        "query/",
        "saved_query/",
        "security/users/",
        "security/roles/",
        "rowlevelsecurity/",
        "log/",
        "assets/export/",
    ],
)
def test_the_viewer_sees_nothing_else(site: Site, path: str) -> None:
    assert site.client("admin").get(f"/api/v1/{path}")[0] == 200
    assert site.client("viewer").get(f"/api/v1/{path}")[0] in (403, 404)


def test_the_viewer_cannot_query_but_through_the_dashboard(site: Site) -> None:
    viewer, company = site.client("viewer"), dashboard_id(site, "ocean-records")
    assert viewer.post("/api/v1/sqllab/execute/", {"database_id": 1, "sql": "select 1"})[0] == 403
    assert query(viewer, chart_by_country(site), None)[0] == 403
    assert query(viewer, chart_by_country(site), company)[0] == 403
    assert viewer.post(CHART_DATA, asked(chart_by_country(site), None))[0] == 403
    other = charts_of(site.client("admin"), "pipeline-health")[0]
    for dashboard in (company, dashboard_id(site, "pipeline-health")):
        assert query(viewer, other, dashboard, "load_date")[0] == 403


def test_the_viewer_changes_nothing(site: Site) -> None:
    viewer, company = site.client("viewer"), dashboard_id(site, "ocean-records")
    assert viewer.put(f"/api/v1/dashboard/{company}", {"dashboard_title": "Mine"})[0] == 403
    chart = chart_by_country(site)["slice_id"]
    assert viewer.put(f"/api/v1/chart/{chart}", {"slice_name": "Mine"})[0] == 403
    assert viewer.post("/api/v1/dashboard/", {"dashboard_title": "Mine"})[0] == 403


def test_a_rule_shows_one_country_alone_and_nothing_that_has_no_country(site: Site, assets: Path) -> None:
    admin = site.client("admin")
    roles = {role["name"]: role["id"] for role in admin.get("/api/v1/security/roles/")[1]["result"]}
    user = {
        "username": "german",
        "password": "of-the-test-alone",
        "first_name": "German",
        "last_name": "Viewer",
        "email": "german@oceanrecords.invalid",
        "active": True,
        "roles": [roles["KPI Viewer Germany"], roles["Admin"]],  # who may ask for any column of any dataset
    }
    status, made = admin.post("/api/v1/security/users/", user)
    assert status == 201, made
    german, company = Client(site.url, "german", "of-the-test-alone"), dashboard_id(site, "ocean-records")
    for chart in charts_of(german, "ocean-records"):
        assert query(german, chart, company) == (200, {"Germany"})
    chart = chart_by_country(site)
    renamed = "expression: country\n  column_name: land"
    replaced("datasets/sales_by_product.yaml", "column_name: country", renamed)(assets)
    assert site.deploy(assets).returncode == 0
    assert query(admin, chart, company, "land")[1] > {"Germany"}
    assert query(german, chart, company, "land") == (200, set())
    assert site.deploy().returncode == 0
    assert admin.delete(f"/api/v1/security/users/{made['id']}")[0] == 200


def test_without_a_login_nothing_is_shown_but_where_it_is_allowed(site: Site) -> None:
    company = dashboard_id(site, "ocean-records")
    chart = chart_by_country(site)
    assert site.client(None).get(COMPANY)[0] in (401, 403, 404)
    assert site.deploy(SUPERSET_ANONYMOUS="1").returncode == 0
    anybody = site.client(None)
    assert anybody.get(COMPANY)[0] == 200
    assert anybody.post(CHART_DATA, asked(chart, company))[0] == 200
    assert query(anybody, chart, company)[0] == 403
    spying = asked(chart, company)
    hidden = "max(ts_rewrite('a'::tsquery, 'select ''a''::tsquery, ''b''::tsquery')::text)"
    spying["queries"][0]["metrics"] = [{"expressionType": "SQL", "sqlExpression": hidden, "label": "own"}]
    assert anybody.post(CHART_DATA, spying)[0] == 403
    assert anybody.get("/api/v1/dashboard/pipeline-health")[0] == 404
    assert anybody.get("/api/v1/dataset/")[0] in (401, 403)
    assert site.deploy().returncode == 0
    assert site.client(None).get(COMPANY)[0] in (401, 403, 404)
    assert site.client(None).post(CHART_DATA, asked(chart, company))[0] in (401, 403)


def test_no_secret_is_ever_shown_but_the_file_that_holds_the_passwords_is(site: Site) -> None:
    kept = site.home / "superset.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    settings = Settings.read(kept)
    assert f"passwords in {kept}" in site.output
    assert f"{site.url}/superset/dashboard/ocean-records/" in site.output
    again = site.command("dashboards")
    assert again.returncode == 0, again.stderr
    shown = (
        site.output + again.stdout + again.stderr + "".join(log.read_text() for log in (site.home / "log").iterdir())
    )
    shown += " ".join(site.server().cmdline())
    for secret in (settings.admin_password, settings.viewer_password, settings.secret_key, *secrets_of(site.home)):
        assert len(secret) >= 20
        assert secret not in shown


def test_a_lost_secrets_file_gets_new_passwords_for_the_old_dashboards(site: Site) -> None:
    kept, before = site.home / "superset.json", exports(site)
    old = Settings.read(kept)
    kept.unlink()
    again = site.command("dashboards")
    assert again.returncode == 0, again.stderr
    new = Settings.read(kept)
    assert new.admin_password not in again.stdout
    assert not {new.admin_password, new.viewer_password, new.secret_key} & {old.admin_password, old.viewer_password}
    assert exports(site) == before
    assert site.client("viewer").get(COMPANY)[0] == 200


def test_no_foreign_setting_reaches_the_server(site: Site) -> None:
    environment = site.server().environ()
    assert not {value for name, value in environment.items() if value in FOREIGN.values() and value != "1"}
    assert "SUPERSET_FEATURE_FOREIGN" not in environment
    assert environment["SUPERSET_CONFIG_PATH"] == str(ROOT / "superset/superset_config.py")


def test_superset_comes_and_goes_with_the_other_services(site: Site) -> None:
    os.kill(site.server().pid, signal.SIGKILL)
    assert site.command("up").returncode == 0
    assert site.client("viewer").get(COMPANY)[0] == 200
    down = site.command("down")
    assert (down.returncode, down.stdout.count("stopped")) == (0, 5)
    states = {state.name: state.state for state in services.up(site.home)}
    assert set(states) == {"postgresql", "s3", "luigid", "risk", "superset"}
    assert set(states.values()) == {"started"}
    assert site.client("viewer").get(COMPANY)[0] == 200


def test_what_is_deployed_already_is_left_alone(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    before = site.server()
    assert services.dashboards(site.home, again=False).secrets_file == site.home / "superset.json"
    assert site.server() == before
    superset = Superset(site.home, Access.read(site.home, {}))
    assert superset.is_current()
    monkeypatch.setenv("SUPERSET_HOSTS", "dashboards.invalid")
    assert not superset.is_current()
    monkeypatch.delenv("SUPERSET_HOSTS")
    monkeypatch.setenv("SUPERSET_ANONYMOUS", "1")
    assert not superset.is_current()
    monkeypatch.setenv("SUPERSET_ANONYMOUS", "yes")
    with pytest.raises(ServiceFailed, match="SUPERSET_ANONYMOUS=yes, because it is neither 0 nor 1"):
        services.dashboards(site.home)
    assert site.server() == before


def test_behind_a_proxy_that_ends_tls_cookies_and_addresses_are_https(site: Site) -> None:
    kept = site.home / "superset.json"
    settings = kept.read_text()
    assert (settings.count('"https": false'), settings.count('"hosts": ""')) == (1, 1)
    served = settings.replace('"https": false', '"https": true').replace(
        '"hosts": ""', '"hosts": "a.invalid, b.invalid"'
    )
    try:
        kept.write_text(served)
        services.up(site.home)
        proxied = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "other.invalid"}
        other = urllib3.request("GET", f"{site.url}/login/", headers=proxied, redirect=False)
        assert (other.status, "name the host in SUPERSET_HOSTS" in other.data.decode()) == (403, True)
        proxied["X-Forwarded-Host"] = "b.invalid"
        page = urllib3.request("GET", f"{site.url}/login/", headers=proxied, redirect=False)
        assert (page.status, "Secure" in page.headers["Set-Cookie"].split("; ")) == (200, True)
        plain = urllib3.request("GET", f"{site.url}/login/", redirect=False)
        assert (plain.status, plain.headers["Location"].partition(":")[0]) == (302, "https")
    finally:
        kept.write_text(settings)
        services.up(site.home)


def test_a_server_on_this_machine_alone_and_its_pages_ask_nobody_else(site: Site) -> None:
    listening = [socket.laddr.ip for socket in site.server().net_connections("inet") if socket.status == "LISTEN"]
    assert set(listening) == {"127.0.0.1"}
    headers = urllib3.request("GET", f"{site.url}/login/").headers
    assert "http" not in headers["Content-Security-Policy"]
    assert {"HttpOnly", "SameSite=Lax"} <= set(headers["Set-Cookie"].split("; "))
