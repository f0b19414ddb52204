"""Connections that stay open: how many there are, in whose process, and by whom they go."""

import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from urllib3 import make_headers

from pipeline.kernel.http import FAILURES, Connections, cause

FORM = {"data": "{}"}


class Counting(ThreadingHTTPServer):
    """A server that notes from which address each request comes, and for which URL."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.asked: list[tuple[int, str]] = []
        self.logins: set[str | None] = set()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        assert isinstance(self.server, Counting)
        self.server.asked.append((self.client_address[1], self.path))
        self.server.logins.add(self.headers["Proxy-Authorization"])
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(302 if self.path == "/away" else 200)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Counting]:
    with Counting() as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield found
        found.shutdown()


def test_many_requests_take_one_connection_and_a_forked_process_one_of_its_own(server: Counting) -> None:
    connections = Connections(server.url, {}, by_proxy=False)
    for _ in range(3):
        assert connections.request("POST", f"{server.url}/", 5, FORM).status == 200
    if not (child := os.fork()):
        os._exit(connections.request("POST", f"{server.url}/", 5, FORM).status != 200)
    assert os.waitpid(child, 0)[1] == 0
    connections.request("POST", f"{server.url}/", 5, FORM)
    mine, theirs = server.asked[0][0], server.asked[3][0]
    assert [port for port, _ in server.asked] == [mine] * 3 + [theirs, mine]
    assert mine != theirs


def test_a_redirect_is_an_answer(server: Counting) -> None:
    assert Connections(server.url, {}, by_proxy=False).request("POST", f"{server.url}/away", 5, FORM).status == 302
    assert [path for _, path in server.asked] == ["/away"]


@pytest.mark.parametrize(("names", "by_proxy"), [("", True), ("luigid.example.com", False)])
def test_a_proxy_of_the_environment_is_asked_where_it_may(
    server: Counting, monkeypatch: pytest.MonkeyPatch, names: str, by_proxy: bool
) -> None:
    for name in ("http_proxy", "no_proxy", "HTTP_PROXY", "NO_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", server.url.replace("//", "//me:secret%40@"))
    monkeypatch.setenv("no_proxy", names)
    url = "http://luigid.example.com/api"
    connections = Connections(url, {}, by_proxy=True)
    if by_proxy:
        assert connections.request("POST", url, 5, FORM).status == 200
    else:
        with pytest.raises(FAILURES) as failed:
            connections.request("POST", url, 5, FORM)
        assert "secret" not in cause(failed.value)
    assert [path for _, path in server.asked] == [url] * by_proxy
    login = make_headers(proxy_basic_auth="me:secret@")["proxy-authorization"]
    assert server.logins == ({login} if by_proxy else set())
