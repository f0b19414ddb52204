"""Superset's log of who did what takes nothing that a request says for granted, and loses nobody's events for it."""

import json
import secrets
import subprocess
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest
from support.dashboard_session import Session
from support.superset_site import Site
from support.world import ROOT


@pytest.fixture
def page(site: Site) -> Session:
    """A viewer's session in a browser."""
    return Session.of(site.url, "viewer", site.password("viewer"))


def soon(find: Callable[[], Any]) -> Any:
    """What is found once it is, within a minute."""
    deadline = time.monotonic() + 60
    while not (found := find()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def logged(site: Site, mark: str, number: int) -> bool:
    """Whether there are, soon, so many events whose record has the mark."""
    query = f"select count(*) from logs where json like '%{mark}%' having count(*) >= {number}"
    return bool(soon(lambda: site.metadata(query)))


def noted(page: Session, body: Any, content_type: str) -> int:
    """The status of the answer to a request that every user may send, and that is noted."""
    number = json.loads(page.ask("GET", "/api/v1/dashboard/ocean-records")[1])["result"]["id"]
    return page.ask("GET", f"/api/v1/dashboard/favorite_status/?q=!({number})", body, content_type)[0]


def events(page: Session, records: Any) -> int:
    """The status of the answer to a request that says that it is so many events."""
    form = urlencode({"explode": "x", "x": records if isinstance(records, str) else json.dumps(records)})
    return noted(page, form, "application/x-www-form-urlencoded")


HOSTILE = [
    {"dashboard_id": "a\0b"},
    {"dashboard_id": "'; drop table logs; --"},
    {"slice_id": 10**12},
    {"slice_id": [1]},
    {"slice_id": 1.5, "dashboard_id": {"a": 1}},
    {"dashboard_id": True},
    1,
    None,
    "text",
    [],
]


def test_an_event_of_any_form_loses_no_other(site: Site, page: Session) -> None:
    names = secrets.token_hex(8), secrets.token_hex(8)
    for name in names:
        assert events(page, [{"mark": f"one {name}"}]) == 200
        for record in HOSTILE:
            # With NUL it is refused, and else noted as far as it can be.
            assert events(page, [record, {"mark": f"beside {name}"}]) == (
                400 if "\\u0000" in json.dumps(record) else 200
            )
        for text in ("[1]", "1", "null", "{}", "[[]]", "{", "[" * 10_000):
            assert events(page, text) in (200, 400), text
    for name in names:
        assert logged(site, f"one {name}", 1)
        assert logged(site, f"beside {name}", len(HOSTILE) - 1)
    assert noted(page, "[1, 2]", "application/json") == 200


def test_a_request_writes_no_more_events_than_a_page_sends(site: Site, page: Session) -> None:
    mark = secrets.token_hex(8)
    assert events(page, [{mark: 1}] * 5000) == 200
    assert logged(site, mark, 100)
    assert events(page, [{mark: 2, "long": "x" * 50_000}, {mark: 3}]) == 200
    assert logged(site, f"{mark}_: 3", 1)
    assert site.metadata(f"select count(*) from logs where json like '%{mark}%'") == [(101,)]


EVENTS = """
import sys
from flask import Flask
import superset
superset.db = type("DB", (), {"engine": None})
import event_log
calls = []
def refuse(engine, rows):
    calls.append(len(rows))
    if any(row["json"] == '{"is": "bad"}' for row in rows):
        raise ValueError("A string literal cannot contain NUL (0x00) characters.")
event_log._insert = refuse
event_log.EventLogger._begin = lambda *_: None
log = event_log.EventLogger()
with Flask(__name__).app_context():
    for number in range(7000):
        log.log(1, "x", None, None, None, None, records=[{"is": "bad" if number == 3333 else number}])
app = Flask(__name__)
log.write(app)
print(sum(calls), len(calls), log._events.qsize())
"""


def test_one_bad_event_costs_few_statements_and_what_waits_is_bounded() -> None:
    environment = {"PYTHONPATH": str(ROOT / "superset")}
    python = ROOT / ".venv-superset/bin/python"
    done = subprocess.run([python, "-c", EVENTS], env=environment, cwd="/", capture_output=True, text=True, check=True)
    rows, statements, left = map(int, done.stdout.split())
    assert left == 0
    assert statements < 5 + 2 * 10 + 2
    assert 5000 <= rows < 8000
    assert "cannot log 1 events, x for one: ValueError" in done.stderr
    assert "2000 events were not logged" in done.stderr
