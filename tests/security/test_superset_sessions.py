"""A session of Superset is its user's own: it ends with the logout, and no other page uses it."""

import base64
import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
import urllib3
from luigid_attacks import foreign_page
from playwright.sync_api import Browser
from support.browser import log_in, running_browser
from support.dashboard_session import Session
from support.superset_site import Site

ME = "/api/v1/me/"
DATA = "/api/v1/chart/data"


@pytest.fixture
def page(site: Site) -> Session:
    """A viewer's session in a browser."""
    return Session.of(site.url, "viewer", site.password("viewer"))


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with running_browser() as found:
        yield found


def asked(site: Site, path: str, method: str = "GET", **headers: str) -> int:
    """The status of the answer to a request with these headers."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return urllib3.request(method, site.url + path, headers=named, redirect=False).status


def test_a_copied_cookie_opens_nothing_after_the_logout(site: Site, page: Session) -> None:
    other = Session.of(site.url, "viewer", site.password("viewer"))
    copied = dict(page.headers)
    assert page.ask("GET", ME)[0] == 200
    page.ask("GET", "/logout/")
    page.headers = copied
    assert page.ask("GET", ME)[0] == 401
    assert page.ask("GET", "/api/v1/dashboard/ocean-records")[0] == 401
    assert other.ask("GET", ME)[0] == 200


def test_a_new_password_ends_the_sessions_of_the_old_one(site: Site) -> None:
    admin = site.client("admin")
    roles = {role["name"]: role["id"] for role in admin.get("/api/v1/security/roles/")[1]["result"]}
    names = {"first_name": "A", "last_name": "Leaver", "email": "leaver@oceanrecords.invalid"}
    user = {"username": "leaver", "password": "of-the-test-alone", "active": True, "roles": [roles["Gamma"]]}
    status, made = admin.post("/api/v1/security/users/", {**user, **names})
    assert status == 201, made
    session = Session.of(site.url, "leaver", "of-the-test-alone")
    assert session.ask("GET", ME)[0] == 200
    assert admin.put(f"/api/v1/security/users/{made['id']}", {"password": "another-of-the-test"})[0] == 200
    assert session.ask("GET", ME)[0] == 401
    assert admin.put(f"/api/v1/security/users/{made['id']}", {"active": False})[0] == 200  # what it did names it


def test_a_login_lasts_half_a_day(site: Site) -> None:
    Session.of(site.url, "viewer", site.password("viewer"))
    with closing(sqlite3.connect(site.home / "superset/logins.sqlite", isolation_level=None)) as database:
        [(ends,)] = database.execute("select max(expires) from logins")
        assert 0 < ends - time.time() <= 12 * 3600
        session = Session.of(site.url, "viewer", site.password("viewer"))
        database.execute("update logins set expires = ?", (time.time(),))
    assert session.ask("GET", ME)[0] == 401


def test_a_token_of_the_rest_interface_ends_as_the_page_says(site: Site) -> None:
    login = {"username": "admin", "password": site.password("admin"), "provider": "db", "refresh": True}
    answer = urllib3.request("POST", f"{site.url}/api/v1/security/login", json=login)
    lasts = {}
    for name, token in answer.json().items():
        claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
        lasts[name] = claims["exp"] - claims["iat"]
    assert lasts == {"access_token": 15 * 60, "refresh_token": 12 * 3600}


def test_a_lost_register_of_logins_ends_them_and_takes_new_ones(site: Site, page: Session) -> None:
    assert page.ask("GET", ME)[0] == 200
    (site.home / "superset/logins.sqlite").unlink()
    assert page.ask("GET", ME)[0] == 401
    again = Session.of(site.url, "viewer", site.password("viewer"))
    assert again.ask("GET", ME)[0] == 200
    assert page.ask("GET", ME)[0] == 401


@pytest.mark.parametrize("host", ["attacker.example", "attacker.example:8088", "127.0.0.1.attacker.example", "[::1"])
def test_a_name_that_was_made_to_point_here_is_refused(site: Site, host: str) -> None:
    assert asked(site, "/login/", Host=host) == 403
    assert asked(site, "/health", Host=host) == 200  # as load balancers ask


def test_the_names_of_this_machine_are_its_own(site: Site) -> None:
    port = site.url.rpartition(":")[2]
    assert {asked(site, "/login/", Host=host) for host in (f"127.0.0.1:{port}", f"localhost:{port}", "[::1]")} == {200}


FOREIGN: list[dict[str, str]] = [
    {"Origin": "http://127.0.0.1:9"},
    {"Origin": "https://attacker.example"},
    {"Origin": "null"},
    {"Sec_Fetch_Site": "cross-site"},
    {"Sec_Fetch_Site": "same-site"},
    {"Sec_Fetch_Site": "same-site", "Sec_Fetch_Mode": "navigate"},
]


@pytest.mark.parametrize("headers", FOREIGN)
@pytest.mark.parametrize("path", [DATA, "/superset/explore_json/", "/login/"])
def test_a_page_of_somebody_else_changes_and_asks_nothing(
    site: Site, page: Session, headers: dict[str, str], path: str
) -> None:
    assert asked(site, path, "POST", **page.headers, **headers) == 403
    for method in ("PUT", "DELETE", "PATCH"):
        assert asked(site, "/api/v1/dashboard/1", method, **page.headers, **headers) == 403


def test_programs_and_the_servers_own_page_may(site: Site, page: Session) -> None:
    own: list[dict[str, str]] = [
        {},
        {"Origin": site.url, "Sec_Fetch_Site": "same-origin"},
        {"Sec_Fetch_Site": "none"},
    ]
    for headers in own:
        named = {**page.headers, "Content_Type": "application/json", **headers}
        assert asked(site, DATA, "POST", **named) == 400  # it is read, and asks nothing


def test_a_link_leads_in_and_not_out(site: Site, page: Session) -> None:
    followed = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}
    assert asked(site, "/login/", **followed) == 200
    assert asked(site, "/logout/", **page.headers, **followed) == 403
    assert page.ask("GET", ME)[0] == 200


def test_no_other_server_may_read_answers(site: Site) -> None:
    answer = urllib3.request("GET", f"{site.url}/health", headers={"Origin": "https://tile.openstreetmap.org"})
    assert "Access-Control-Allow-Origin" not in answer.headers


ATTACK = """<script>
const send = (path, body) => fetch("{url}" + path, {{method: "POST", mode: "no-cors", credentials: "include", body}});
Promise.all([send("/api/v1/chart/data", "{{}}"), send("/logout/", "")]).then(() => document.title = "done");
</script><img src="{url}/logout/">"""


def test_a_page_on_another_port_does_nothing_in_the_name_of_who_looks_at_it(site: Site, chromium: Browser) -> None:
    view = log_in(chromium, site.url, "viewer", site.password("viewer"))
    with foreign_page(ATTACK.format(url=site.url)) as address:
        statuses: list[Any] = []
        view.on("response", lambda answer: statuses.append((answer.url.removeprefix(site.url), answer.status)))
        view.goto(address)
        view.wait_for_function("document.title == 'done'")
        view.wait_for_load_state("load")
    assert {found for found in statuses if found[0] in (DATA, "/logout/")} == {(DATA, 403), ("/logout/", 403)}
    assert json.loads(view.request.get(site.url + ME).text())["result"]["username"] == "viewer"
