"""What is sent to Superset to fill its memory, its disk or its log, or to lock a user out."""

import json
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import quote

import pytest
from other_account import ACCOUNT, PYTHON, as_root
from support.dashboard_session import Session
from support.superset_site import Site

LOGIN = "/api/v1/security/login"


@pytest.fixture(autouse=True)
def attempts(site: Site) -> Iterator[None]:
    """Failed logins are forgotten after the test, so that they hold off nobody else."""
    yield
    with closing(sqlite3.connect(site.home / "superset/attempts.sqlite", isolation_level=None)) as database:
        database.execute("delete from attempts")


def chunk(content: bytes) -> bytes:
    return b"%x\r\n%s\r\n0\r\n\r\n" % (len(content), content)


def login(name: str, password: str = "wrong") -> dict[str, str]:
    return {"username": name, "password": password, "provider": "db"}


def lines_logged(site: Site) -> int:
    return (site.home / "log/superset.log").read_bytes().count(b"\n")


@pytest.mark.parametrize("encoding", ["chunked", "CHUNKED", "Chunked", "identity, chunked", "gzip, CHUNKED"])
def test_a_body_that_does_not_say_its_length_is_too_large(site: Site, encoding: str) -> None:
    head = f"POST {LOGIN}\nContent-Type: application/json\nTransfer-Encoding: {encoding}"
    assert site.raw(head, chunk(json.dumps(login("viewer")).encode())) == 413


def test_even_an_admin_sends_no_more_than_a_server_can_hold(site: Site) -> None:
    token = site.client("admin").headers["Authorization"]
    head = f"POST /api/v1/dashboard/import/\nAuthorization: {token}\nContent-Type: application/json"
    assert site.raw(f"{head}\nContent-Length: 300000000") == 413


@pytest.mark.parametrize("name", ["v" * 257, "v" * 100_000, "view\0er"])
def test_a_name_that_nobody_has_is_not_counted(site: Site, name: str) -> None:
    stranger = site.client(None)
    assert {stranger.post(LOGIN, login(name))[0] for _ in range(12)} == {400}


def test_what_is_counted_is_as_long_as_a_hash_whatever_the_name(site: Site) -> None:
    stranger = site.client(None)
    assert {stranger.post(LOGIN, login(letter * 256))[0] for letter in "abc"} == {401}
    with closing(sqlite3.connect(site.home / "superset/attempts.sqlite")) as database:
        keys = [key for (key,) in database.execute("select key from attempts")]
        assert database.execute("pragma auto_vacuum").fetchone() == (1,)
    assert len(keys) >= 4
    assert max(map(len, keys)) < 120


def test_the_names_of_a_user_are_counted_as_one(site: Site) -> None:
    stranger, names = site.client(None), ["viewer", "VIEWER", "viewer@oceanrecords.invalid"]
    statuses = [stranger.post(LOGIN, login(names[number % 3]))[0] for number in range(11)]
    assert (statuses[:10], statuses[10]) == ([401] * 10, 429)
    assert stranger.post(LOGIN, login("admin"))[0] == 401


GUESS = f"""
import sys, urllib.error, urllib.request
json = {{"Content-Type": "application/json"}}
body = b'{{"username": "admin", "password": "wrong", "provider": "db"}}'
for _ in range(11):
    try:
        urllib.request.urlopen(urllib.request.Request(sys.argv[1] + "{LOGIN}", body, json))
    except urllib.error.HTTPError as error:
        print(error.code)
"""


@as_root
def test_another_account_locks_nobody_out_but_itself(site: Site) -> None:
    done = subprocess.run(
        [PYTHON, "-c", GUESS, site.url], user=ACCOUNT, cwd="/", env={}, stdout=subprocess.PIPE, check=True
    )
    assert done.stdout.split()[-1] == b"429"
    assert site.client("admin").get("/api/v1/me/")[0] == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/lang/en", 404),
        ("/lang/" + "x" * 3000, 404),
        ("/login/?next=%00", 400),
        ("/superset/dashboard/%00/", 400),
        ("/superset/explore_json/?form_data=" + quote(json.dumps({"slice_id": "\0"})), 400),
    ],
)
def test_what_no_page_asks_is_refused_in_silence(site: Site, path: str, status: int) -> None:
    stranger, before = site.client(None), lines_logged(site)
    assert stranger.get(path)[0] == status
    assert lines_logged(site) == before


def test_what_no_page_sends_is_refused_in_silence(site: Site) -> None:
    before = lines_logged(site)
    for content in (b'{"username": "a\\u0000b"}', b"[" * 100_000):
        head = f"POST {LOGIN}\nContent-Type: application/json\nContent-Length: {len(content)}"
        assert site.raw(head, content) == 400
    form = b"username=a%00b&password=x"
    head = f"POST /login/\nContent-Type: application/x-www-form-urlencoded\nContent-Length: {len(form)}"
    assert site.raw(head, form) == 400
    assert lines_logged(site) == before


def test_a_page_keeps_little_and_not_in_the_database(site: Site) -> None:
    page = Session.of(site.url, "viewer", site.password("viewer"))
    number = site.client("admin").get("/api/v1/dashboard/ocean-records")[1]["result"]["id"]
    path, before = f"/api/v1/dashboard/{number}/filter_state", site.metadata("select count(*) from key_value")
    status, answer = page.ask("POST", path, {"value": json.dumps({"country": "x" * 10_000})})
    assert status == 201
    kept = page.ask("GET", f"{path}/{json.loads(answer)['key']}")
    assert (kept[0], b"x" * 10_000 in kept[1]) == (200, True)
    assert page.ask("POST", path, {"value": json.dumps("x" * 17_000)})[0] == 413
    assert page.ask("PUT", f"{path}/{json.loads(answer)['key']}", {"value": json.dumps("x" * 17_000)})[0] == 413
    assert site.metadata("select count(*) from key_value") == before
