"""Dashboards as files, brought into a real Superset: twice, broken, changed by hand; and who may see them."""

import io
import json
import os
import re
import shutil
import signal
import stat
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import urllib3
from support.superset_site import ASSETS, FOREIGN, Client, Site, asked, remove_user
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


def replaced(name: str, old: str, new: str) -> Callable[[Path], None]:
    def spoil(assets: Path) -> None:
        text = (assets / name).read_text()
        assert old in text
        (assets / name).write_text(text.replace(old, new))

    return spoil


@dataclass(frozen=True)
class Again:
    """What the command said that deployed for a second time, and what there was before and after it."""

    said: str
    secrets: tuple[Settings, Settings]
    rows: tuple[dict[str, int], dict[str, int]]
    exports: tuple[dict[str, bytes], dict[str, bytes]]


@pytest.fixture(scope="module")
def again(site: Site) -> Again:
    """The same files deployed for a second time, once the file with the secrets was lost."""
    kept = site.home / "superset.json"
    old, rows, before = Settings.read(kept), row_counts(site), exports(site)
    kept.unlink()
    done = site.command("dashboards")
    assert done.returncode == 0, done.stderr
    new = Settings.read(kept)
    return Again(done.stdout + done.stderr, (old, new), (rows, row_counts(site)), (before, exports(site)))


def test_a_second_deployment_changes_nothing(site: Site, again: Again) -> None:
    (rows, rows_after), (before, after) = again.rows, again.exports
    files = [path.read_text() for path in ASSETS.glob("charts/*.yaml")]
    assert rows["slices"] == len(files) + sum(
        bool(re.search(r"^phone:\n(.+\n)*  params:", text, re.M)) for text in files
    )
    assert "not in the warehouse" not in (site.home / "log/superset-deploy.log").read_text()
    assert rows_after == rows
    assert [name for name in before | after if before.get(name) != after.get(name)] == []


def test_no_secret_is_ever_shown_but_the_file_that_holds_the_passwords_is(site: Site, again: Again) -> None:
    kept = site.home / "superset.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert f"passwords in {kept}" in site.output
    assert f"{site.url}/superset/dashboard/ocean-records/" in site.output
    shown = site.output + again.said + "".join(log.read_text() for log in (site.home / "log").iterdir())
    shown += " ".join(site.server().cmdline())
    own = [(known.admin_password, known.viewer_password, known.secret_key) for known in again.secrets]
    for secret in (*own[0], *own[1], *secrets_of(site.home)):
        assert len(secret) >= 20
        assert secret not in shown


def test_a_lost_secrets_file_gets_new_passwords_for_the_old_dashboards(site: Site, again: Again) -> None:
    old, new = again.secrets
    assert new.admin_password not in again.said
    assert not {new.admin_password, new.viewer_password, new.secret_key} & {old.admin_password, old.viewer_password}
    assert again.exports[1] == again.exports[0]
    assert site.client("viewer").get(COMPANY)[0] == 200


@contextmanager
def german_admin(site: Site) -> Iterator[Client]:
    """A session of somebody with the rule of Germany's viewers who may ask for any column of any dataset."""
    admin = site.client("admin")
    roles = {role["name"]: role["id"] for role in admin.get("/api/v1/security/roles/")[1]["result"]}
    user = {
        "username": "german",
        "password": "of-the-test-alone",
        "first_name": "German",
        "last_name": "Viewer",
        "email": "german@oceanrecords.invalid",
        "active": True,
        "roles": [roles["KPI Viewer Germany"], roles["Admin"]],
    }
    status, made = admin.post("/api/v1/security/users/", user)
    assert status == 201, made
    yield Client(site.url, "german", "of-the-test-alone")
    remove_user(admin, made["id"])


@dataclass(frozen=True)
class Look:
    """What was seen at a moment."""

    exports: dict[str, bytes]
    rules: int
    anybody: dict[str, int]  # without a login: the statuses of answers


def look(site: Site, chart: dict[str, Any]) -> Look:
    """Looks by a chart."""
    company, client = dashboard_id(site, "ocean-records"), site.client(None)
    spying = asked(chart, company)
    hidden = "max(ts_rewrite('a'::tsquery, 'select ''a''::tsquery, ''b''::tsquery')::text)"
    spying["queries"][0]["metrics"] = [{"expressionType": "SQL", "sqlExpression": hidden, "label": "own"}]
    anybody = {
        "dashboard": client.get(COMPANY)[0],
        "on a phone": client.get(f"{COMPANY}-phone")[0],
        "its chart": client.post(CHART_DATA, asked(chart, company))[0],
        "a column": query(client, chart, company)[0],
        "a metric of its own": client.post(CHART_DATA, spying)[0],
        "another dashboard": client.get("/api/v1/dashboard/pipeline-health")[0],
        "datasets": client.get("/api/v1/dataset/")[0],
    }
    [(rules,)] = site.metadata("select count(*) from rls_filter_tables")
    return Look(exports(site), rules, anybody)


def change_by_hand(site: Site, chart: dict[str, Any]) -> int:
    """Changes what is ours in several ways, and makes a chart as users do; returns its number."""
    admin = site.client("admin")
    assert admin.put(f"/api/v1/chart/{chart['slice_id']}", {"slice_name": "By hand"})[0] == 200
    viewers = next(
        role["id"] for role in admin.get("/api/v1/security/roles/")[1]["result"] if role["name"] == "KPI Viewer"
    )
    assert admin.post(f"/api/v1/security/roles/{viewers}/permissions", {"permission_view_menu_ids": [1, 2]})[0] == 200
    for table in ("rls_filter_roles", "rls_filter_tables", "row_level_security_filters"):
        site.metadata(f"delete from {table}")
    dataset = int(chart["datasource"].partition("__")[0])
    own = {"slice_name": "A user's own", "viz_type": "table", "datasource_id": dataset, "datasource_type": "table"}
    status, made = admin.post("/api/v1/chart/", own)
    assert status == 201
    number: int = made["id"]
    return number


@pytest.fixture(scope="module")
def looks(site: Site, tmp_path_factory: pytest.TempPathFactory) -> tuple[Look, Look, Look]:
    """Before other files were deployed for everybody to see, while they were, and once ours were deployed again.

    The others have one chart more. What is ours was changed by hand meanwhile.
    """
    assets = Path(shutil.copytree(ASSETS, tmp_path_factory.mktemp("others") / "assets"))
    more = (assets / "charts/top_products.yaml").read_text()
    more = more.replace("uuid: a3d124e6", "uuid: ffffffff").replace("slice_name: ", "slice_name: More ")
    (assets / "charts/more.yaml").write_text(more)
    chart = chart_by_country(site)
    before = look(site, chart)
    assert site.deploy(assets, SUPERSET_ANONYMOUS="1").returncode == 0
    meanwhile = look(site, chart)
    own = change_by_hand(site, chart)
    assert site.deploy().returncode == 0
    after = look(site, chart)
    assert site.client("admin").delete(f"/api/v1/chart/{own}")[0] == 200
    return before, meanwhile, after


def test_what_was_changed_by_hand_is_undone_and_what_users_made_is_left(
    site: Site, looks: tuple[Look, Look, Look]
) -> None:
    before, _, after = looks
    [own] = after.exports.keys() - before.exports.keys()
    assert own.startswith("charts/A_users_own")
    assert {name: after.exports[name] for name in before.exports} == before.exports
    assert after.rules == before.rules > 0
    assert site.client("viewer").get("/api/v1/dataset/")[0] == 403


def test_a_chart_without_a_file_is_gone_after_the_next_deployment(looks: tuple[Look, Look, Look]) -> None:
    before, meanwhile, after = looks
    [more] = meanwhile.exports.keys() - before.exports.keys()
    assert more not in after.exports


def test_a_rule_shows_one_country_alone_and_nothing_that_has_no_country(site: Site, tmp_path: Path) -> None:
    assets = Path(shutil.copytree(ASSETS, tmp_path / "assets"))
    renamed = "expression: country\n  column_name: land"
    replaced("datasets/sales_by_product.yaml", "column_name: country", renamed)(assets)
    chart, company = chart_by_country(site), dashboard_id(site, "ocean-records")
    with german_admin(site) as german:
        for each in charts_of(german, "ocean-records"):
            assert query(german, each, company) == (200, {"Germany"})
        assert site.deploy(assets).returncode == 0
        assert query(site.client("admin"), chart, company, "land")[1] > {"Germany"}
        assert query(german, chart, company, "land") == (200, set())
        assert site.deploy().returncode == 0


def test_without_a_login_nothing_is_shown_but_where_it_is_allowed(looks: tuple[Look, Look, Look]) -> None:
    before, meanwhile, after = looks
    assert meanwhile.anybody == {
        "dashboard": 200,
        "on a phone": 200,
        "its chart": 200,
        "a column": 403,
        "a metric of its own": 403,
        "another dashboard": 404,
        "datasets": meanwhile.anybody["datasets"],
    }
    assert meanwhile.anybody["datasets"] in (401, 403)
    for closed in (before.anybody, after.anybody):
        assert {closed["dashboard"], closed["on a phone"]} <= {401, 403, 404}
        assert closed["its chart"] in (401, 403)


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
        (
            replaced("charts/newest_runs.yaml", "phone:\n  height", "phone:\n  tall"),
            "charts/newest_runs.yaml has a block phone with something else than params and height",
        ),
        (
            replaced("charts/newest_runs.yaml", "    - task\n    - reason\n", "    - task\n    - cause\n"),
            "charts/newest_runs-phone.yaml names the column cause",
        ),
        # These Superset itself refuses, or the warehouse.
        (
            replaced("charts/top_products.yaml", "slice_name:", "slice_title:"),
            "charts/top_products.yaml is not what Superset expects",
        ),
        (
            replaced("datasets/sales_by_product.yaml", "expression: SUM(orders)", "expression: SUM(sails)"),
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
    assert (status, {found["slug"] for found in dashboards["result"]}) == (
        200,
        {"ocean-records", "ocean-records-phone"},
    )
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
        "dashboard/pipeline-health-phone",
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


def test_no_two_processes_of_the_server_share_a_connection_to_its_database(site: Site) -> None:
    site.client("viewer")
    database = urlsplit(json.loads((site.home / "services.json").read_text())["superset_metadata_url"]).port
    ends = [
        socket.laddr.port
        for process in (site.server(), *site.server().children(recursive=True))
        for socket in process.net_connections("tcp")
        if socket.raddr and socket.raddr.port == database
    ]
    assert ends
    assert len(ends) == len(set(ends))
