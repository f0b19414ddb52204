"""An assistant with a real MCP client: what it may read of the deployed dashboards, and what it may not."""

import base64
import hashlib
import hmac
import json
import os
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
import urllib3
from support.superset_site import Site
from support.world import ROOT, secrets_of

from pipeline import services
from pipeline.services.superset import Settings

PYTHON = ROOT / ".venv-mcp/bin/python"
pytestmark = pytest.mark.skipif(not PYTHON.exists(), reason="make nightly installs it")

DATASETS = {
    *("kpi_monthly_country", "kpi_quarterly_country", "sales_by_country", "sales_by_product", "sales_by_subtype"),
    *("forecast_error", "forecast_state", "sales_outlook"),
    "sales_growth",
}
CLIENT = ROOT / "tests/superset/mcp_client.py"
SWITCH = "SUPERSET_ASSISTANT"


def token_file(site: Site) -> Any:
    return site.home / "assistant.token"


def address(site: Site) -> str:
    found: str = json.loads((site.home / "services.json").read_text())["assistant_url"]
    return f"{found}/mcp"


def ask(site: Site, *calls: tuple[str, dict[str, Any]]) -> list[Any]:
    """The answers of the client in its own environment: the names that it lists, and then one for each call."""
    done = subprocess.run(
        [PYTHON, CLIENT, address(site)],
        check=False,
        capture_output=True,
        text=True,
        input=json.dumps({"token": token_file(site).read_text().strip(), "calls": calls}),
        env={"PATH": os.defpath, "HOME": str(site.home / "assistant")},
    )
    assert done.returncode == 0, done.stderr
    found: list[Any] = json.loads(done.stdout)
    return found


def listed(site: Site, tool: str, field: str) -> list[dict[str, Any]]:
    _, (failed, answer) = ask(site, (tool, {"request": {"page_size": 100}}))
    assert not failed
    found: list[dict[str, Any]] = json.loads(answer)[field]
    return found


def status(site: Site, login: str | None) -> int:
    """The status of the answer to a call with this login."""
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    more = {"Accept": "application/json, text/event-stream"} | ({"Authorization": login} if login else {})
    found: int = urllib3.request("POST", address(site), json=call, headers=more, retries=False).status
    return found


def signed(key: str, **claims: Any) -> str:
    whole = {"iss": "oceanrecords", "aud": "assistant", "sub": "assistant", "exp": int(time.time()) + 60} | claims
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()) for part in ({"alg": "HS256"}, whole)]
    text = b".".join(part.rstrip(b"=") for part in parts)
    signature = base64.urlsafe_b64encode(hmac.new(key.encode(), text, hashlib.sha256).digest()).rstrip(b"=")
    return f"Bearer {(text + b'.' + signature).decode()}"


@pytest.fixture(scope="module")
def assisted(site: Site) -> Iterator[Site]:
    """The site, deployed with the switch; afterwards without it."""
    said = deploy(site, "1")
    yield Site(site.home, said)
    if token_file(site).exists():
        deploy(site, "0")


def deploy(site: Site, switch: str) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(SWITCH, switch)
        done = site.command("dashboards")
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_it_lists_the_company_dashboards_charts_and_datasets_alone(assisted: Site) -> None:
    shown = assisted.client("admin").get("/api/v1/dashboard/ocean-records/charts")[1]["result"]
    charts = listed(assisted, "list_charts", "charts")
    assert {chart["slice_name"] for chart in charts} == {chart["slice_name"] for chart in shown}
    assert {dataset["table_name"] for dataset in listed(assisted, "list_datasets", "datasets")} == DATASETS


def test_it_reads_what_a_metric_means_and_no_owner(assisted: Site) -> None:
    [number] = [
        each["id"] for each in listed(assisted, "list_datasets", "datasets") if each["table_name"] == "sales_by_country"
    ]
    _, (_, answer) = ask(assisted, ("get_dataset_info", {"request": {"identifier": number}}))
    found = json.loads(answer)
    assert "sales" in {metric["metric_name"] for metric in found["metrics"]}
    assert all(metric["expression"] for metric in found["metrics"])
    assert found["owners"] == []
    assert "@" not in answer


@pytest.mark.parametrize(
    ("chosen", "where"),
    [
        ({}, "true"),
        ({"country": "Germany"}, "country = 'Germany'"),
        ({"since": "2025-11-01", "until": "2026-01-01"}, "month >= '2025-11-01' and month < '2026-01-01'"),
        ({"country": "France", "since": "2025-12-01"}, "country = 'France' and month >= '2025-12-01'"),
    ],
)
def test_its_figures_are_those_of_the_mart(assisted: Site, chosen: dict[str, str], where: str) -> None:
    top, key = chart_of(assisted, "Top countries"), chart_of(assisted, "Key figures, more")
    _, *answers = ask(assisted, *(("read_chart", {"chart_id": chart, **chosen}) for chart in (top, key)))
    countries, months = (json.loads(answer)["rows"] for _, answer in answers)
    expected = assisted.world.warehouse(
        f"""
        select country, sum(sales)::float from mart.sales_by_country
        where {where} group by 1 order by 2 desc limit 10
        """
    )
    assert expected
    ranked = sorted(countries, key=lambda row: -row["sales"])  # a bar chart draws them from below
    assert [(row["label"], pytest.approx(row["sales"])) for row in ranked] == expected
    expected = assisted.world.warehouse(
        f"""
        select to_char(month, 'YYYY-MM-DD'), sum(sales)::float from mart.kpi_monthly_country
        where is_complete and {where} group by 1 order by 1
        """
    )
    assert expected
    assert [(row["time"][:10], pytest.approx(row["sales"])) for row in months] == expected


def chart_of(site: Site, start: str) -> int:
    [found] = [chart["id"] for chart in charts_of(site) if chart["slice_name"].startswith(start)]
    return int(found)


def charts_of(site: Site) -> list[dict[str, Any]]:
    return listed(site, "list_charts", "charts")


def test_its_environment_takes_as_much_disk_as_the_page_says() -> None:
    files = [each for each in (ROOT / ".venv-mcp").resolve().rglob("*") if each.is_file() and not each.is_symlink()]
    assert sum(each.stat().st_size for each in files) / 1e6 == pytest.approx(900, rel=0.1)


def test_it_has_these_tools_and_no_others(assisted: Site) -> None:
    calls: list[tuple[str, dict[str, Any]]] = [
        ("execute_sql", {"request": {"database_id": 1, "sql": "select 1"}}),
        ("generate_chart", {"request": {}}),
        ("get_chart_data", {"request": {"identifier": 1}}),
    ]
    names, *answers = ask(assisted, *calls)
    assert names == ["get_dataset_info", "list_charts", "list_datasets", "read_chart"]
    assert answers == [[True, f"Unknown tool: '{name}'"] for name, _ in calls]


def test_charts_and_datasets_of_other_dashboards_are_not_there(assisted: Site) -> None:
    admin = assisted.client("admin")
    for board in ("pipeline-health", "customer-behaviour"):
        charts = admin.get(f"/api/v1/dashboard/{board}/charts")[1]["result"]
        datasets = admin.get(f"/api/v1/dashboard/{board}/datasets")[1]["result"]
        calls = [("read_chart", {"chart_id": chart["id"]}) for chart in charts]
        info = [("get_dataset_info", {"request": {"identifier": each["id"]}}) for each in datasets]
        _, *answers = ask(assisted, *calls, *info)
        assert charts
        assert datasets
        assert all(failed and "There is no chart" in text for failed, text in answers[: len(calls)])
        assert all("not_found" in text for _, text in answers[len(calls) :])


@pytest.mark.parametrize(
    "chosen", [{"since": "some day"}, {"metrics": ["orders"]}, {"filters": [{"col": "orders", "op": ">", "val": 1}]}]
)
def test_it_cannot_ask_for_anything_but_the_stored_query(assisted: Site, chosen: dict[str, Any]) -> None:
    _, (failed, answer) = ask(assisted, ("read_chart", {"chart_id": charts_of(assisted)[0]["id"], **chosen}))
    assert failed
    assert "rows" not in answer


def test_nobody_gets_in_without_the_token(assisted: Site) -> None:
    key = Settings.read(assisted.home / "superset.json").assistant_key or ""
    assert status(assisted, signed(key)) == 200
    assert status(assisted, None) == 401
    wrong = [signed("x" * 64), signed(key, aud="other"), signed(key, iss="other"), signed(key, exp=1)]
    none = (
        base64.urlsafe_b64encode(b'{"alg": "none"}').decode().rstrip("=")
        + signed(key)[7:][signed(key)[7:].index(".") :]
    )
    for header in (*wrong, f"Bearer {none}", "Bearer x", "Basic eDp4"):
        assert status(assisted, header) == 401


def test_it_listens_on_this_machine_alone(assisted: Site) -> None:
    [state] = [each for each in services.status(assisted.home) if each.name == "assistant"]
    sockets = psutil.Process(state.pid).net_connections("tcp")
    assert {each.laddr.ip for each in sockets if each.status == psutil.CONN_LISTEN} == {"127.0.0.1"}


def test_its_user_cannot_log_in_and_has_no_more_rights_than_its_tools_ask_for(assisted: Site) -> None:
    assert assisted.metadata("select active from ab_user where username = 'assistant'") == [(False,)]
    rights = """
        select p.name || ' ' || v.name
        from ab_role as r
        join ab_permission_view_role as pr on pr.role_id = r.id
        join ab_permission_view as pv on pv.id = pr.permission_view_id
        join ab_permission as p on p.id = pv.permission_id
        join ab_view_menu as v on v.id = pv.view_menu_id
        where r.name = 'KPI Assistant' order by 1
    """
    assert assisted.metadata(rights) == [("can_read Chart",), ("can_read Dashboard",), ("can_read Dataset",)]


def test_no_secret_is_shown_and_the_way_to_the_token_is(assisted: Site) -> None:
    assert f'export OCEAN_TOKEN="$(cat {token_file(assisted)})"' in assisted.output
    assert token_file(assisted).stat().st_mode & 0o777 == 0o600
    status(assisted, "Bearer x")
    shown = assisted.output + "".join(log.read_text() for log in (assisted.home / "log").iterdir())
    key = Settings.read(assisted.home / "superset.json").assistant_key or ""
    for secret in (key, token_file(assisted).read_text().strip(), *secrets_of(assisted.home)):
        assert len(secret) >= 20
        assert secret not in shown


def test_a_rerun_keeps_the_key_so_that_a_copied_token_holds(assisted: Site) -> None:
    token = token_file(assisted).read_text().strip()
    deploy(assisted, "1")
    assert status(assisted, f"Bearer {token}") == 200


def test_without_the_switch_service_token_and_rights_are_gone(assisted: Site) -> None:
    deploy(assisted, "0")
    assert "assistant" not in {state.name for state in services.status(assisted.home)}
    assert not token_file(assisted).exists()
    with pytest.raises(urllib3.exceptions.HTTPError):
        status(assisted, None)
    assert assisted.metadata("select 1 from ab_role where name = 'KPI Assistant'") == []
    query = "select 1 from ab_user_role as r join ab_user as u on u.id = r.user_id where u.username = 'assistant'"
    assert assisted.metadata(query) == []
