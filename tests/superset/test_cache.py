"""What Superset keeps: until the next load, for those who see the same, computed once; and what it never keeps."""

import json
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3
from support.dashboard_session import Session
from support.superset_site import Site, asked, options, remove_user
from support.world import ROOT

PYTHON = ROOT / ".venv-superset/bin/python"
GERMAN = "of-the-test-alone"
CHART_DATA = "/api/v1/chart/data"


def session(site: Site, user: str) -> Session:
    """Somebody in a browser, whose answers are kept; they are not for whoever comes with a token."""
    return Session.of(site.url, user, GERMAN if user == "german" else site.password(user))


def ask(somebody: Session, site: Site, slug: str, table: str, column: str) -> list[Any]:
    """The values of a column of a dataset, as a chart of a dashboard asks for them; ["refused"] where that is all."""
    admin = site.client("admin")
    dashboard = admin.get(f"/api/v1/dashboard/{slug}")[1]["result"]["id"]
    datasets = admin.get(f"/api/v1/dashboard/{slug}/datasets")[1]["result"]
    wanted = next(dataset["uid"] for dataset in datasets if dataset["table_name"] == table)
    charts = admin.get(f"/api/v1/dashboard/{slug}/charts")[1]["result"]
    form = next(chart["form_data"] for chart in charts if chart["form_data"]["datasource"] == wanted)
    number, _, kind = wanted.partition("__")
    body = {
        "datasource": {"id": int(number), "type": kind},
        "form_data": {"slice_id": form["slice_id"], "dashboardId": dashboard},
        "queries": [{"columns": [column], "metrics": [], "row_limit": 10_000}],
    }
    status, answer = somebody.ask("POST", CHART_DATA, body)
    if status == 403:
        return ["refused"]
    assert status == 200, answer
    return sorted(row[column] for row in json.loads(answer)["result"][0]["data"])


def countries(somebody: Session, site: Site) -> list[Any]:
    """The countries that the list of the company dashboard offers; ["refused"] where that is all."""
    status, answer = somebody.ask("POST", CHART_DATA, options(site, company(site)["id"]))
    if status == 403:
        return ["refused"]
    assert status == 200, answer
    return sorted(row["country"] for row in json.loads(answer)["result"][0]["data"])


def company(site: Site) -> dict[str, Any]:
    found: dict[str, Any] = site.client("admin").get("/api/v1/dashboard/ocean-records")[1]["result"]
    return found


def largest(site: Site) -> dict[str, Any]:
    """What the page sends for the countries with the largest sales."""
    charts = site.client("admin").get("/api/v1/dashboard/ocean-records/charts")[1]["result"]
    chart = next(one["form_data"] for one in charts if one["slice_name"].startswith("Top countries by sales"))
    return asked(chart, company(site)["id"])


def files(site: Site) -> set[str]:
    return {path.name for path in (site.home / "superset/cache/files").iterdir()}


def soon(look: Any, wanted: Any) -> bool:
    """Whether a look shows what is wanted before Superset has had ample time to hear of it: it asks once a second.

    These looks take three seconds, as an answer that is kept takes 3 ms.
    """
    return any(look() == wanted for _ in range(1000))


@pytest.fixture
def german(site: Site) -> Iterator[Session]:
    """Somebody who sees Germany alone."""
    admin = site.client("admin")
    roles = {role["name"]: role["id"] for role in admin.get("/api/v1/security/roles/")[1]["result"]}
    user = {"username": "german", "password": GERMAN, "first_name": "G", "last_name": "V", "active": True}
    user |= {"email": "german@oceanrecords.invalid", "roles": [roles["KPI Viewer Germany"]]}
    status, made = admin.post("/api/v1/security/users/", user)
    assert status == 201, made
    yield session(site, "german")
    remove_user(admin, made["id"])


def test_a_load_shows_at_the_next_look(site: Site) -> None:
    viewer, world, body = session(site, "viewer"), site.world, largest(site)

    def look() -> list[Any]:
        status, answer = viewer.ask("POST", CHART_DATA, body)
        assert status == 200, answer
        return sorted((row["sales"] for row in json.loads(answer)["result"][0]["data"]), reverse=True)

    before = look()
    assert look() == before
    [(month,)] = world.warehouse("select min(month) from mart.agg_order_month where country = 'Germany'")
    change = "update mart.agg_order_month set sales = sales + %s where month = %s and country = 'Germany'"
    world.warehouse(change, (1_000_000, month))
    changed = "select sum(sales)::float as sales from mart.sales_by_country group by label order by 1 desc limit 10"
    assert soon(look, [sales for (sales,) in world.warehouse(changed)])
    world.warehouse(change, (-1_000_000, month))
    assert soon(look, before)


@pytest.mark.parametrize("first", ["german", "viewer"])
def test_who_sees_one_country_and_who_sees_all_are_never_shown_each_others_rows(
    site: Site, german: Session, first: str
) -> None:
    viewer, world = session(site, "viewer"), site.world
    world.warehouse("update mart.data_version set version = version + 1 where table_name = 'views'")
    everywhere = [name for (name,) in world.warehouse("select distinct country from mart.sales_by_country order by 1")]
    assert len(everywhere) > 1
    seen = {"german": (german, ["Germany"]), "viewer": (viewer, everywhere)}
    for user in [first, *(set(seen) - {first}), first]:
        somebody, wanted = seen[user]
        assert countries(somebody, site) == sorted(wanted)


def test_what_tasks_leave_behind_is_never_kept(site: Site) -> None:
    admin, world = session(site, "admin"), site.world
    tasks = ask(admin, site, "pipeline-health", "task_run", "task")
    world.warehouse(
        "insert into etl.task_run (task, params, started, finished, status) "
        "values ('OfTheTest', '{}', now(), now(), 'done')"
    )
    assert ask(admin, site, "pipeline-health", "task_run", "task") == sorted([*tasks, "OfTheTest"])
    world.warehouse("delete from etl.task_run where task = 'OfTheTest'")
    assert ask(admin, site, "pipeline-health", "task_run", "task") == tasks


def test_a_dashboard_that_is_closed_is_closed_for_what_is_kept_of_it(site: Site) -> None:
    viewer, admin = session(site, "viewer"), site.client("admin")
    dashboard = company(site)
    assert len(countries(viewer, site)) > 1
    assert viewer.ask("GET", "/api/v1/dashboard/ocean-records")[0] == 200
    roles = [role["id"] for role in dashboard["roles"]]
    admins = [role["id"] for role in admin.get("/api/v1/security/roles/")[1]["result"] if role["name"] == "Admin"]
    path = f"/api/v1/dashboard/{dashboard['id']}"
    assert admin.put(path, {"roles": admins, "is_managed_externally": True})[0] == 200
    try:
        assert countries(viewer, site) == ["refused"]
        assert viewer.ask("GET", "/api/v1/dashboard/ocean-records")[0] in (403, 404)
    finally:
        assert admin.put(path, {"roles": roles, "is_managed_externally": True})[0] == 200
    assert len(countries(viewer, site)) > 1


def test_a_favourite_ends_nothing_that_is_kept(site: Site) -> None:
    viewer, mark = session(site, "viewer"), site.home / "superset/cache/marks/assets"
    path = f"/api/v1/dashboard/{company(site)['id']}/favorites/"
    before = mark.read_text()
    assert [viewer.ask(method, path)[0] for method in ("POST", "DELETE")] == [200, 200]
    assert mark.read_text() == before


def test_the_same_request_said_otherwise_is_kept_once(site: Site) -> None:
    viewer, body = session(site, "viewer"), largest(site)
    assert viewer.ask("POST", CHART_DATA, body)[0] == 200
    before = files(site)
    assert viewer.ask("POST", f"{CHART_DATA}?junk=1", body)[0] == 200
    headers = {**viewer.headers, "Content-Type": "application/json"}
    wide = viewer.http.request("POST", site.url + CHART_DATA, body=json.dumps(body, indent=9), headers=headers)
    assert wide.status == 200
    assert files(site) == before


def test_a_chart_of_which_the_server_makes_the_query_is_kept_too(site: Site) -> None:
    viewer, dashboard = session(site, "viewer"), company(site)["id"]
    charts = site.client("admin").get("/api/v1/dashboard/ocean-records/charts")[1]["result"]
    form = next(chart["form_data"] for chart in charts if chart["form_data"]["viz_type"] == "time_table")
    chosen = {"filters": [{"col": "country", "op": "IN", "val": ["Austria"]}]}
    fields = {"form_data": json.dumps(form | {"dashboardId": dashboard, "extra_form_data": chosen})}
    answers = []
    for boundary in ("first", "second"):  # as a browser sends another one each time
        body, content_type = urllib3.encode_multipart_formdata(fields, boundary)
        answers.append(viewer.ask("POST", "/superset/explore_json/", body.decode(), content_type))
    assert [status for status, _ in answers] == [200, 200]
    # Superset's own cache would say in the second that it is from there.
    assert answers[0] == answers[1]
    assert not json.loads(answers[0][1])["is_cached"]


def test_who_did_what_is_logged_soon(site: Site) -> None:
    site.metadata("delete from logs")
    viewer, path = session(site, "viewer"), f"/api/v1/dashboard/favorite_status/?q=!({company(site)['id']})"
    # The first one has a number that the log has no room for, and is noted without it.
    assert [viewer.ask("GET", path + more)[0] for more in ("&dashboard_id=99999999999", "")] == [200, 200]

    def logged() -> list[Any]:
        viewer.ask("GET", "/health")
        return site.metadata(
            "select username, action from logs join ab_user on user_id = ab_user.id "
            "where username = 'viewer' and action = 'DashboardRestApi.favorite_status' "
            "and dttm > now() at time zone 'utc' - interval '1 minute'"
        )

    assert soon(logged, [("viewer", "DashboardRestApi.favorite_status")] * 2)


def test_only_an_admin_sends_much(site: Site) -> None:
    path, state = f"/api/v1/dashboard/{company(site)['id']}/filter_state", {"value": json.dumps("x" * 300_000)}
    assert session(site, "viewer").ask("POST", path, state)[0] == 413
    assert session(site, "viewer").ask("POST", path, {"value": json.dumps("x" * 1000)})[0] == 201
    assert session(site, "admin").ask("POST", path, state)[0] == 201
    assert site.client("admin").post(path, state)[0] == 201


def test_roles_of_before_a_change_are_never_remembered_after_it(tmp_path: Path) -> None:
    script = Path(__file__).with_name("changed_roles.py")
    command, environment = [str(PYTHON), str(script), str(tmp_path)], {"PYTHONPATH": str(ROOT / "superset")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    (scope_before, *seen_before), (scope_after, *seen_after) = json.loads(done.stdout)
    # What is public is read once the role is gone; what the user may do of the user as the first request knows him.
    assert seen_before == [["Admin"], [True, True], [False, False], ["Admin"]]
    assert seen_after == [["Viewer"], [False, False], [False, False], ["Viewer"]]
    assert scope_before != scope_after
    assert ("Admin" in scope_before, "Admin" in scope_after) == (True, False)
    assert "Viewer" in scope_after


def test_what_is_kept_is_for_the_servers_account_alone(site: Site) -> None:
    folders = [site.home / "superset/cache", *(site.home / "superset/cache").iterdir()]
    assert {path.name for path in folders} == {"cache", "files", "locks", "marks"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o700}


def computations(folder: Path, processes: int, requests: int, timeout: int, *more: str) -> tuple[int, set[str]]:
    """How often several processes computed what all their threads asked for at once, and the statuses they got."""
    command = [str(PYTHON), str(Path(__file__).with_name("kept_answers.py")), str(folder), str(requests), str(timeout)]
    environment = {"PYTHONPATH": str(ROOT / "superset")}
    running = [
        subprocess.Popen(
            [*command, *more], env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        for _ in range(processes)
    ]
    statuses = {status for process in running for status in process.communicate()[0].split()}
    return (folder / "computed").read_text().count("once"), statuses


def test_what_many_ask_for_at_once_is_computed_once_by_all_threads_and_processes(tmp_path: Path) -> None:
    assert computations(tmp_path, 3, 8, 60) == (1, {"200"})


def test_what_is_not_kept_is_shared_by_those_who_wait_and_computed_again_for_who_comes_later(tmp_path: Path) -> None:
    once, _ = computations(tmp_path, 1, 1, -1)
    assert computations(tmp_path, 1, 1, -1) == (once + 1, {"200"})
    before = once + 1
    after, _ = computations(tmp_path, 1, 8, -1)
    assert before < after <= before + 2  # the first, and one for all who came while it was computed


def test_a_failure_is_not_kept_and_lets_the_next_one_try(tmp_path: Path) -> None:
    assert computations(tmp_path, 2, 2, 60, "fail") == (4, {"500"})
    assert computations(tmp_path, 1, 1, 60) == (5, {"200"})


def test_attempts_are_counted_by_all_processes_together(tmp_path: Path) -> None:
    script = (
        "import rate_limits, sys\n"
        "from limits import parse\n"
        "from limits.storage import storage_from_string\n"
        "from limits.strategies import FixedWindowRateLimiter\n"
        "limiter = FixedWindowRateLimiter(storage_from_string(sys.argv[1]))\n"
        "print(sum(limiter.hit(parse('5 per hour'), 'somebody') for _ in range(4)))\n"
    )
    uri = f"sqlite-limits://{tmp_path}/attempts.sqlite"
    environment = {"PYTHONPATH": str(ROOT / "superset")}
    allowed = [
        subprocess.run([PYTHON, "-c", script, uri], env=environment, capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert [int(count) for count in allowed] == [4, 1]
