"""The risk-score service as it runs: a process that answers HTTP."""

import datetime as dt
import json
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3

from pipeline.generators.scores import risk_scores
from pipeline.generators.shop import simulate

USER, PASSWORD = "ocean", "not-the-real-one"
OPENED = dt.date(2026, 1, 20)
Get = Callable[..., urllib3.BaseHTTPResponse]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """The services.json of a running service, and the service's address."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{server.getsockname()[1]}"
    path = tmp_path_factory.mktemp("risk") / "services.json"
    write(path, address, "")
    process = subprocess.Popen([sys.executable, "-m", "pipeline.generators.risk", str(path)])
    try:
        while not answers(address):
            assert process.poll() is None
        yield path, address
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def get(service: tuple[Path, str], simulator_url: str) -> Get:
    """Asks the service, which has the test's own database, as a user or (with an empty login) as nobody."""
    path, address = service
    write(path, address, simulator_url)

    def ask(page: str = "/risk-scores", login: str = f"{USER}:{PASSWORD}") -> urllib3.BaseHTTPResponse:
        headers = urllib3.make_headers(basic_auth=login) if login else {}
        return urllib3.request("GET", f"http://{address}{page}", headers=headers)

    return ask


def write(path: Path, address: str, simulator_url: str) -> None:
    url = f"http://{USER}:{PASSWORD}@{address}/risk-scores"
    aside = path.with_suffix(".new")
    aside.write_text(json.dumps({"simulator_url": simulator_url, "risk_api_url": url}))
    aside.replace(path)


def answers(address: str) -> bool:
    try:
        return urllib3.request("GET", f"http://{address}/health", retries=False).status == 401
    except urllib3.exceptions.HTTPError:
        return False


def open_shop(url: str, date: dt.date) -> None:
    simulate(url, date, seed=7, scale=0.3, opened_on=OPENED, progress=None)


@pytest.mark.parametrize("page", ["/risk-scores", "/health"])
@pytest.mark.parametrize(
    "login", ["", f"{USER}:", f"{USER}:wrong", f":{PASSWORD}", f"postgres:{PASSWORD}", f"{USER}:{PASSWORD}x", "ocean:é"]
)
def test_whoever_does_not_know_the_password_is_refused(get: Get, page: str, login: str) -> None:
    answer = get(page, login)
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"].startswith("Basic")
    assert b"risk_score" not in answer.data


def test_nothing_else_is_served(get: Get) -> None:
    assert get("/health").status == 204
    assert [get(page).status for page in ("/", "/docs", "/redoc", "/openapi.json")] == [404] * 4


def test_without_a_shop_the_list_is_empty(get: Get) -> None:
    assert (get().status, get().json()) == (200, [])


def test_a_shop_has_the_scores_of_its_customers_in_the_month_of_its_last_day(get: Get, simulator_url: str) -> None:
    customers = {}
    for date in (OPENED, OPENED + dt.timedelta(days=14)):  # the second one is in the next month
        open_shop(simulator_url, date)
        answer = get()
        assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
        entries: list[dict[str, Any]] = answer.json()
        assert {(*entry,) for entry in entries} == {("customer_id", "risk_score")}
        pairs = [(entry["customer_id"], entry["risk_score"]) for entry in entries]
        customers[date] = max(customer for customer, _ in pairs)
        assert 0.9 * customers[date] < len(set(dict(pairs))) < customers[date]
        assert max(Counter(customer for customer, _ in pairs).values()) == 2
        assert dict(pairs) == {
            customer: score
            for customer, score in dict(risk_scores(7, date, 10_000)).items()
            if customer <= customers[date]
        }
        assert get().data == answer.data
    assert 450 <= customers[OPENED] < customers[date]


def test_a_database_that_does_not_answer_is_said_without_its_password(
    get: Get, service: tuple[Path, str], simulator_url: str
) -> None:
    path, address = service
    write(path, address, "postgresql://ocean:hidden@127.0.0.1:1/oceanrecords")
    answer = get()
    assert answer.status == 503
    assert "cannot reach the simulator database" in answer.json()["detail"]
    assert b"hidden" not in answer.data
    write(path, address, simulator_url)
    assert get().status == 200
