"""The risk-score API on its bad days, against a real server, and what an answer says."""

import base64
import contextlib
import datetime as dt
import email.utils
import itertools
import json
import socket
import struct
import threading
import traceback
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.feeds import risk_api
from pipeline.feeds.risk_api import Score
from pipeline.kernel.errors import BadAnswer, ConfigError, ServiceDown
from pipeline.kernel.rejected import LONGEST, Rejected

SECRET = "hunter2"
SCORES = b'[{"customer_id": 1, "risk_score": 50}]'
Reply = bytes | Callable[["Server", socket.socket], None]


def answer(status: str, body: bytes = b"", *headers: str, length: int | None = None) -> bytes:
    length = len(body) if length is None else length
    return "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {length}", *headers, "", ""]).encode() + body


OK = answer("200 OK", SCORES)


class Server:
    """Answers each connection with the next of its replies, the last one for ever."""

    def __init__(self, *replies: Reply) -> None:
        self.replies, self.requests, self.over = replies, list[str](), threading.Event()
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self) -> None:
        with contextlib.suppress(OSError):
            while not self.over.is_set():
                connection, _ = self.socket.accept()
                with connection, contextlib.suppress(OSError):
                    self.requests.append(self.head(connection))
                    reply = self.replies[min(len(self.requests), len(self.replies)) - 1]
                    if isinstance(reply, bytes):
                        connection.sendall(reply)
                    else:
                        reply(self, connection)

    def head(self, connection: socket.socket) -> str:
        head = b""
        while b"\r\n\r\n" not in head and (data := connection.recv(4096)):
            head += data
        return head.decode()

    def url(self, login: str = "", query: str = "") -> str:
        return f"http://{login}127.0.0.1:{self.socket.getsockname()[1]}/risk{query}"

    def stop(self) -> None:
        self.over.set()
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join()


def reset(server: Server, connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def silence(server: Server, connection: socket.socket) -> None:
    connection.recv(1)  # until the other side has had enough


def drip(head: bytes) -> Reply:
    """A byte now and then; whoever is patient enough gets a good answer."""

    def reply(server: Server, connection: socket.socket) -> None:
        connection.sendall(head)
        for _ in range(2000):
            connection.sendall(b" ")
            if server.over.wait(0.01):
                return
        connection.sendall(b"\r\n\r\n" + SCORES)

    return reply


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(*replies: Reply) -> Server:
        servers.append(Server(*replies))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


class Pauses(list[float]):
    """Stands where sleeping stood."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


Serve = Callable[..., Server]


def test_the_answer_comes_as_it_is(serve: Serve, pauses: Pauses) -> None:
    server = serve(OK)
    assert risk_api.fetch(server.url(), sleep=pauses)[0] == SCORES
    assert (len(server.requests), pauses) == (1, [])


@pytest.mark.parametrize(
    "bad",
    [
        answer("500 Internal Server Error", b"oops"),
        answer("503 Service Unavailable"),
        answer("429 Too Many Requests"),
        answer("200 OK", b"<html>the proxy is sorry</html>"),
        answer("200 OK", b""),
        answer("200 OK", b"[" * 100_000),
        answer("200 OK", SCORES[:20], length=len(SCORES)),
        b"HTTP/1.1 200 OK\r\n\r\n" + SCORES[:20],
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n14\r\n" + SCORES[:20],
        b"no HTTP at all\r\n\r\n",
        b"",
        reset,
    ],
    ids=[
        *("500", "503", "429", "a proxy's page", "nothing", "brackets", "half a body", "half a body of unknown length"),
        *("half of the chunks", "not HTTP", "closed", "reset"),
    ],
)
def test_what_may_pass_is_tried_again_until_it_has_passed(serve: Serve, pauses: Pauses, bad: Reply) -> None:
    server = serve(bad, bad, OK)
    assert risk_api.fetch(server.url(), sleep=pauses)[0] == SCORES
    assert len(server.requests) == 3
    assert len(pauses) == 2


@pytest.mark.parametrize(
    "slow",
    [
        silence,
        drip(b""),
        drip(b"HTTP/1.1 200 OK\r\nX: "),
        drip(b"HTTP/1.1 200 OK\r\n\r\n"),
        drip(answer("200 OK", length=9000)),
    ],
    ids=["silence", "drip", "drip of headers", "drip of a body of unknown length", "drip of a body"],
)
def test_a_slow_server_is_given_up_and_tried_again(serve: Serve, pauses: Pauses, slow: Reply) -> None:
    server = serve(slow, OK)
    assert risk_api.fetch(server.url(), read=0.3, deadline=0.6, sleep=pauses)[0] == SCORES
    assert len(server.requests) == 2


def test_a_slow_server_is_named_as_such(serve: Serve, pauses: Pauses) -> None:
    server = serve(drip(b"HTTP/1.1 200 OK\r\n\r\n[]"))
    with pytest.raises(
        ServiceDown, match=r"because its answer took longer than 0.2 seconds, in the last of 2 attempts"
    ):
        risk_api.fetch(server.url(), attempts=2, deadline=0.2, sleep=pauses)


def test_a_server_that_stays_down_is_given_up_with_growing_pauses(serve: Serve, pauses: Pauses) -> None:
    server = serve(answer("503 Service Unavailable"))
    with pytest.raises(ServiceDown) as caught:
        risk_api.fetch(server.url(), sleep=pauses)
    assert str(caught.value) == (
        f"cannot fetch risk scores from {server.url()}, because it answered 503 Service Unavailable, in the last of 5 "
        "attempts; see whether the service runs, or correct RISK_API_URL, and run the same command again"
    )
    assert len(server.requests) == 5
    assert len(pauses) == 4
    assert all(earlier < later for earlier, later in itertools.pairwise(pauses))


def test_nobody_listening_is_a_service_that_is_down(pauses: Pauses) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}/"
    with pytest.raises(ServiceDown, match=r"because no connection could be made: .*refused"):
        risk_api.fetch(url, sleep=pauses)
    assert len(pauses) == 4


def test_garbage_to_the_end_is_a_bad_answer(serve: Serve, pauses: Pauses) -> None:
    with pytest.raises(BadAnswer, match="because its answer is not JSON, in the last of 3 attempts"):
        risk_api.fetch(serve(answer("200 OK", b"<html>")).url(), attempts=3, sleep=pauses)


@pytest.mark.parametrize(
    "status", ["400 Bad Request", "401 Unauthorized", "403 Forbidden", "404 Not Found", "301 Moved Permanently"]
)
def test_what_will_not_pass_is_not_tried_again(serve: Serve, pauses: Pauses, status: str) -> None:
    server = serve(answer(status, b"", "Location: /elsewhere"), OK)
    with pytest.raises(ServiceDown, match=f"because it answered {status}; correct .*RISK_API_URL"):
        risk_api.fetch(server.url(), sleep=pauses)
    assert (len(server.requests), pauses) == (1, [])


def test_the_server_says_how_long_to_wait_up_to_a_minute(serve: Serve, pauses: Pauses) -> None:
    date = email.utils.format_datetime(dt.datetime.now(dt.UTC) + dt.timedelta(hours=1), usegmt=True)
    waits = ["7", "86400", date, "Thu, 01 Jan 1970 00:00:00 GMT", "soon", "-1", "9" * 5000]
    server = serve(*(answer("429 Too Many Requests", b"", f"Retry-After: {wait}") for wait in waits), OK)
    assert risk_api.fetch(server.url(), attempts=8, sleep=pauses)[0] == SCORES
    assert pauses[:3] == [7, 60, 60]
    assert all(0 < pause < 60 for pause in pauses[3:6])
    assert pauses[6] == 60


def test_an_answer_that_is_too_long_is_refused_at_once(serve: Serve, pauses: Pauses) -> None:
    server = serve(answer("200 OK", b"[" + b" " * 5000 + b"]"))
    with pytest.raises(BadAnswer, match="because its answer is longer than 1,000 bytes"):
        risk_api.fetch(server.url(), longest=1000, sleep=pauses)
    assert pauses == []


def test_a_huge_list_comes_whole(serve: Serve, pauses: Pauses) -> None:
    body = json.dumps(
        [{"customer_id": number, "risk_score": 1 + number % 100} for number in range(1, 200_001)]
    ).encode()
    scores, rejected = risk_api.parse(risk_api.fetch(serve(answer("200 OK", body)).url(), sleep=pauses)[0])
    assert (len(scores), rejected) == (200_000, [])
    assert scores[-1] == Score(customer_id=200_000, risk_score=1)


def test_the_login_of_the_url_is_sent(serve: Serve, pauses: Pauses) -> None:
    server = serve(OK)
    risk_api.fetch(server.url("me:p%40ss%3Aw%C3%B6rd@", "?token=abc"), sleep=pauses)
    [head] = server.requests
    assert head.startswith("GET /risk?token=abc HTTP/1.1\r\n")
    login = next(line for line in head.splitlines() if line.startswith("Authorization: Basic "))
    assert base64.b64decode(login.split()[-1]).decode() == "me:p@ss:wörd"


@pytest.mark.parametrize(
    "reply",
    [
        *(
            answer("401 Unauthorized"),
            answer(f"500 {SECRET}"),
            answer("200 OK", SECRET.encode()),
            answer("200 OK", length=5),
        ),
        *(SECRET.encode(), b"", reset, silence),
    ],
)
def test_no_message_tells_a_secret(serve: Serve, pauses: Pauses, reply: Reply) -> None:
    with pytest.raises((ServiceDown, BadAnswer)) as caught:
        risk_api.fetch(serve(reply).url(f"me:{SECRET}@", f"?token={SECRET}"), attempts=1, read=0.2, sleep=pauses)
    shown = "".join(traceback.format_exception(caught.value))
    assert SECRET not in shown
    assert "Authorization" not in shown


@pytest.mark.parametrize(
    "url", ["risk", "ftp://me:hunter2@h/", "http://", "http://me:hunter2@h:port/", "http://me:hunter2@[h/"]
)
def test_a_url_that_is_none_is_refused_without_quoting_it(url: str) -> None:
    with pytest.raises(ConfigError, match="cannot use RISK_API_URL") as caught:
        risk_api.fetch(url)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ('{"risk_score": 5}', "customer_id is missing"),
        ('{"customer_id": null, "risk_score": 5}', "customer_id is missing"),
        ('{"customer_id": 7}', "risk_score is missing"),
        ("{}", "customer_id is missing"),
        ('{"customer_id": "7", "risk_score": 5}', "customer_id is not a whole number"),
        ('{"customer_id": 7.5, "risk_score": 5}', "customer_id is not a whole number"),
        ('{"customer_id": 7, "risk_score": true}', "risk_score is not a whole number"),
        ('{"customer_id": 7, "risk_score": NaN}', "risk_score is not a whole number"),
        ('{"customer_id": 7, "risk_score": [5]}', "risk_score is not a whole number"),
        ('{"customer_id": 0, "risk_score": 5}', "customer_id is not between 1 and 9223372036854775807"),
        (
            '{"customer_id": 9223372036854775808, "risk_score": 5}',
            "customer_id is not between 1 and 9223372036854775807",
        ),
        ('{"customer_id": 7, "risk_score": 0}', "risk_score is not between 1 and 100"),
        ('{"customer_id": 7, "risk_score": 101}', "risk_score is not between 1 and 100"),
        ("7", "not a JSON object"),
        ("null", "not a JSON object"),
        ('["customer_id", 7]', "not a JSON object"),
        ('{"customer_id": 7, "name": "\\ud800 \\u0000 é"}', "risk_score is missing"),
    ],
)
def test_a_bad_entry_is_rejected_with_its_place_and_reason_and_the_rest_is_kept(entry: str, reason: str) -> None:
    good = '{"customer_id": %d, "risk_score": 50, "name": "\\ud800"}'
    scores, [rejected] = risk_api.parse(f"[{good % 1}, {entry}, {good % 2}]".encode(), "answer.json")
    assert scores == [Score(customer_id=1, risk_score=50), Score(customer_id=2, risk_score=50)]
    assert (rejected.file, rejected.line, rejected.reason) == ("answer.json", 2, reason)
    rejected.row.encode()
    assert "\0" not in rejected.row


def test_the_entry_is_kept_as_it_came_but_not_without_end() -> None:
    entry = {"customer_id": 7, "risk_score": 200, "note": "é"}
    _, [rejected] = risk_api.parse(json.dumps([entry]).encode())
    assert json.loads(rejected.row) == entry
    _, [rejected] = risk_api.parse(json.dumps(["x" * 20_000]).encode())
    assert rejected == Rejected("", 1, "not a JSON object", '"' + "x" * (LONGEST - 1) + "… (cut: 20,002 bytes in all)")


@pytest.mark.parametrize("text", [b"", b"{}", b'{"scores": []}', b"null", b"[", b"\xff[]", b"[" * 100_000])
def test_an_answer_that_is_no_list_is_refused(text: bytes) -> None:
    with pytest.raises(BadAnswer, match="is not a JSON list"):
        risk_api.parse(text)


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(-1, 102))))
def test_the_last_good_entry_of_a_customer_wins(entries: list[tuple[int, int]]) -> None:
    answer = json.dumps([{"customer_id": customer, "risk_score": score} for customer, score in entries])
    scores, rejected = risk_api.parse(answer.encode())
    good = [(customer, score) for customer, score in entries if 1 <= score <= 100]
    assert sorted((score.customer_id, score.risk_score) for score in scores) == sorted(dict(good).items())
    assert [each.line for each in rejected] == [
        place for place, (_, score) in enumerate(entries, 1) if not 1 <= score <= 100
    ]
