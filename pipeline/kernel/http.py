"""Requests by HTTP: one that ends in time whatever the server does, and many over connections that stay open.

No error shows a secret of a URL.
"""

import contextlib
import datetime as dt
import email.utils
import os
import socket
import threading
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from http.client import HTTPException
from typing import cast
from urllib.parse import unquote, urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

from urllib3 import BaseHTTPResponse as Response
from urllib3 import PoolManager, ProxyManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, LocationParseError, NewConnectionError
from urllib3.exceptions import TimeoutError as SlowServer
from urllib3.response import HTTPResponse
from urllib3.util import Url, make_headers, parse_url

from pipeline.kernel import basic_auth, clock, logins

__all__ = ["FAILURES", "Again", "Connections", "HTTPResponse", "Response", "Url", "cause", "exchange", "parsed", "said"]

FAILURES = (OSError, HTTPError)  # of a request over connections that stay open
MOST_CONNECTIONS = 2  # to one server: Luigi's worker asks luigid, and its thread says each second that it lives


class Again(Exception):
    """An attempt failed where another may not: why, whether there was an answer, how many seconds it asks to wait."""

    def __init__(self, because: str, *, answered: bool = False, after: float = 0) -> None:
        super().__init__(because)
        self.because, self.answered, self.after = because, answered, after


def parsed(url: str) -> Url | None:
    """The parts of an HTTP URL; None for any other text, and if its login may have been cut."""
    if logins.is_cut(url):
        return None
    try:
        found = parse_url(url)
    except LocationParseError:
        return None
    return found if found.scheme in ("http", "https") and found.host else None


@contextlib.contextmanager
def exchange(
    method: str,
    url: Url,
    *,
    headers: Mapping[str, str],
    body: bytes | None = None,
    connect: float,
    read: float,
    deadline: float,
) -> Iterator[HTTPResponse]:
    """Sends a request with the login of the URL, and gives the answer to the block.

    Allows `connect` seconds for the connection, `read` for each wait and `deadline` for the whole. Raises Again for
    failures that may pass, in the block as well: no connection, a broken or slow one, 429 and 5xx.
    """
    kind = HTTPSConnection if url.scheme == "https" else HTTPConnection
    try:
        with contextlib.closing(kind(str(url.host), url.port, timeout=connect)) as connection:
            connection.connect()
            connection.timeout = read
            with _cut_after(deadline, cast(socket.socket, connection.sock)):
                every = {"Accept-Encoding": "identity", "User-Agent": "oceanrecords", **_login(url), **headers}
                connection.request(method, url.request_uri, body=body, headers=every, preload_content=False)
                yield _answer(connection)
    except NewConnectionError as error:
        raise Again(f"no connection could be made: {cause(error)}") from None
    except (TimeoutError, SlowServer):
        raise Again("it did not answer in time") from None
    except (HTTPError, HTTPException, OSError) as error:
        raise Again(f"the connection broke ({type(error).__name__})") from None


class Connections:
    """Connections to one server that stay open, for threads and forked processes alike. A redirect is not followed.

    With `by_proxy` they go through the proxy that the environment names for the server, if any.
    """

    def __init__(self, url: str, headers: Mapping[str, str], *, by_proxy: bool) -> None:
        self._url, self._headers, self._by_proxy = url, headers, by_proxy
        self._pools: dict[int, PoolManager] = {}  # by process: a forked one must not use its parent's

    def request(self, method: str, url: str, timeout: float, form: Mapping[str, str] | None = None) -> Response:
        """The answer to a request with the fields of a form, whatever its status. Raises FAILURES."""
        if os.getpid() not in self._pools:
            self._pools = {os.getpid(): self._pool()}
        pool, body = self._pools[os.getpid()], urlencode(form) if form else None
        headers = {**self._headers, "Content-Type": "application/x-www-form-urlencoded"}
        return pool.request(method, url, body=body, headers=headers, timeout=timeout, retries=False)

    def _pool(self) -> PoolManager:
        server = urlsplit(self._url)
        proxy = getproxies().get(server.scheme) if self._by_proxy and not proxy_bypass(server.netloc) else None
        if not proxy:
            return PoolManager(maxsize=MOST_CONNECTIONS)
        words = urlsplit(proxy).netloc.rpartition("@")[0]
        login = make_headers(proxy_basic_auth=unquote(words)) if words else None
        return ProxyManager(proxy, maxsize=MOST_CONNECTIONS, proxy_headers=login)


def cause(error: BaseException) -> str:
    """What the system says of a connection that could not be made, without the addresses of our own objects."""
    return str(error.__cause__ if isinstance(error, NewConnectionError) else error)


def said(answer: Response) -> str:
    """The status of an answer, with its words by the standard: those of the server might be anything."""
    words = next((known.phrase for known in HTTPStatus if known == answer.status), "(a status of its own)")
    return f"it answered {answer.status} {words}"


def _login(url: Url) -> dict[str, str]:
    if not url.auth:
        return {}
    user, _, password = url.auth.partition(":")
    return {"Authorization": basic_auth.header(unquote(user), unquote(password))}


def _answer(connection: HTTPConnection) -> HTTPResponse:
    answer = connection.getresponse()
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS or answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise Again(said(answer), after=_retry_after(answer.headers.get("Retry-After", "")))
    return answer


@contextlib.contextmanager
def _cut_after(seconds: float, sock: socket.socket) -> Iterator[None]:
    """Ends all that waits for the socket when the time is over; raises Again then.

    A timeout of the socket alone begins again with every byte, and a server may send them one by one.
    """
    over = threading.Event()

    def cut() -> None:
        over.set()
        with contextlib.suppress(OSError):  # closed in time after all
            # Not TLS's own, which would exchange words with the server.
            socket.socket.shutdown(sock, socket.SHUT_RDWR)

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        # A connection that was cut looks like one that broke, or even like the end of a body.
        if over.is_set():
            raise Again(f"its answer took longer than {seconds:g} seconds")


def _retry_after(text: str) -> float:
    """The seconds of a Retry-After header, which names a number or a date; 0 if it names neither."""
    if text.isascii() and text.isdigit():
        return int(text[:9])
    try:
        at = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return 0
    return (at.replace(tzinfo=at.tzinfo or dt.UTC) - clock.now()).total_seconds()
