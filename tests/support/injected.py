"""One fault at one call of a command: a statement, commit or block of a COPY, a request to S3 or by HTTP, a file.

A call is told by its site, which is where the pipeline made it, and by how often the site has called before. In the
process of a command `install` either writes down all of them ("record FILE"), or does at one of them ("KIND K SITE"):

    fail    the server has no room for what the statement writes (53100), S3 answers 503 to each of boto3's attempts,
            the file system has no room
    cut     the connection breaks before the call arrives
    lost    the call is carried out, and the connection breaks before its answer arrives
    hang    S3 takes the connection of each of boto3's attempts and says nothing, for longer than we wait (here 0.3 s)
    kill    the process gets SIGKILL

The site * is that of all calls.
"""

import errno
import functools
import io
import os
import signal
import socket
import sys
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import psycopg2.extensions
from urllib3 import HTTPResponse

ROOT = Path(__file__).parents[2]
KINDS = {"sql": ("fail", "cut", "lost", "kill"), "commit": ("cut", "lost", "kill"), "block": ("cut", "kill")}
KINDS |= {"s3": ("fail", "cut", "lost", "hang", "kill"), "http": ("cut", "lost", "kill"), "file": ("fail", "kill")}
# What passes calls on for others: the site is who asked them.
PLUMBING: tuple[str, ...] = (
    "pipeline/kernel/",
    "pipeline/lake/client.py",
    "pipeline/lake/objects.py",
    "pipeline/lake/compressed.py",
)
PLUMBING += ("pipeline/tasks/runtime/retries.py", "pipeline/star/recipes.py")
STRUCK = "the injected fault struck"  # what a command prints then
IN_A_ROW = 3  # requests that S3 refuses or leaves alone: boto3 asks as often before it gives up
SECONDS = 0.3  # that are waited for S3
NO_ROOM = "do $$ begin raise exception using errcode = '53100', message = 'could not extend file'; end $$"
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Injector:
    """Counts the calls of each site, and strikes at one."""

    def __init__(self, fault: str) -> None:
        self._kind, _, rest = fault.partition(" ")
        self._file, self._at = "", (0, "")
        if self._kind == "record":
            self._file = rest
        else:
            number, _, site = rest.partition(" ")
            self._at = int(number), site
        self._counts: Counter[str] = Counter()
        self._lock = threading.RLock()

    def strikes(self, what: str) -> str | None:
        """Notes a call; returns the kind of fault if this is the one. Does not return from a kill."""
        site = "*" if self._at[1] == "*" else f"{what} {_site()}"
        with self._lock:
            self._counts[site] += 1
            number = self._counts[site]
            if self._file:
                with io.FileIO(os.open(self._file, os.O_WRONLY | os.O_APPEND), "w") as file:
                    file.write(f"{number} {site}\n".encode())
        first, at = self._at
        last = first + (IN_A_ROW - 1 if what == "s3" and self._kind in ("fail", "hang") else 0)
        if self._file or site != at or not first <= number <= last:
            return None
        os.write(2, f"{STRUCK}\n".encode())
        if self._kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        return self._kind


def install(fault: str) -> None:
    """Has the fault come to pass in this process, whose calls go through here from now on."""
    from botocore import httpsession

    from pipeline.kernel import http
    from pipeline.lake import client

    injector = Injector(fault)
    ours: Any = client
    if fault.startswith("hang "):
        ours.SECONDS_TO_WAIT = SECONDS
    ours = http
    connect = psycopg2.connect
    psycopg2.connect = functools.partial(_connect, injector, connect)
    session: Any = httpsession.URLLib3Session
    session.send = functools.partialmethod(_send, injector, session.send, socket.create_server(("127.0.0.1", 0)))
    ours.HTTPConnection = _http(injector, ours.HTTPConnection)
    sys.addaudithook(functools.partial(_touch, injector))


def _site() -> str:
    """The innermost frame of the pipeline that is no plumbing, or the innermost one: path, function and line."""
    frame: FrameType | None = sys._getframe(2)
    first = ""
    while frame:
        path = frame.f_code.co_filename
        if path.startswith(f"{ROOT}/pipeline/"):
            path = path.removeprefix(f"{ROOT}/")
            here = f"{path}:{frame.f_code.co_name}:{frame.f_lineno}"
            if not path.startswith(PLUMBING):
                return here
            first = first or here
        frame = frame.f_back
    return first or "elsewhere"


def _connect(injector: Injector, connect: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    base = named.pop("connection_factory", psycopg2.extensions.connection)

    class Struck(base):  # type: ignore[misc,valid-type]
        """A connection whose commits and statements may be struck."""

        def cursor(self, *arguments: Any, **named: Any) -> Any:
            named.setdefault("cursor_factory", _cursor(injector, self))
            return super().cursor(*arguments, **named)

        def commit(self) -> None:
            _call(injector, "commit", self, super().commit)

        def __exit__(self, *error: Any) -> None:
            if error[0] is None and not self.autocommit:
                self.commit()
            super().__exit__(*error)

    return connect(*arguments, connection_factory=Struck, **named)


def _cursor(injector: Injector, connection: Any) -> type:
    base = connection.cursor_factory or psycopg2.extensions.cursor
    if connection.__class__.__mro__[1] is not psycopg2.extensions.connection:
        from psycopg2.extras import ReplicationCursor

        base = ReplicationCursor

    class Struck(base):  # type: ignore[misc,valid-type]
        """A cursor whose statements may be struck."""

        def execute(self, *arguments: Any) -> None:
            _call(injector, "sql", connection, functools.partial(super().execute, *arguments))

        def copy_expert(self, statement: Any, file: Any, *more: Any, **named: Any) -> None:
            file = _Blocks(injector, connection, file)
            _call(injector, "sql", connection, functools.partial(super().copy_expert, statement, file, *more, **named))

    return Struck


class _Blocks:
    """A file of a COPY, in the middle of which the connection may be cut."""

    def __init__(self, injector: Injector, connection: Any, file: Any) -> None:
        self._injector, self._connection, self._file = injector, connection, file

    def read(self, size: int = -1) -> Any:
        self._strike()
        return self._file.read(size)

    def write(self, data: Any) -> Any:
        self._strike()
        return self._file.write(data)

    def _strike(self) -> None:
        if self._injector.strikes("block"):
            _cut(self._connection)


def _call(injector: Injector, what: str, connection: Any, call: Callable[[], None]) -> None:
    kind = injector.strikes(what)
    if kind == "fail":
        psycopg2.extensions.cursor(connection).execute(NO_ROOM)
    if kind == "cut":
        _cut(connection)
    call()
    if kind == "lost":
        _cut(connection)
        psycopg2.extensions.cursor(connection).execute("select 1")


def _cut(connection: Any) -> None:
    """Breaks a connection as a network does."""
    with socket.socket(fileno=os.dup(connection.fileno())) as broken, suppress(OSError):
        broken.shutdown(socket.SHUT_RDWR)


def _send(session: Any, injector: Injector, send: Callable[..., Any], silent: socket.socket, request: Any) -> Any:
    from botocore.awsrequest import AWSResponse
    from botocore.compat import HTTPHeaders
    from botocore.exceptions import ConnectionClosedError

    kind = injector.strikes("s3")
    if kind == "cut":
        raise ConnectionClosedError(endpoint_url=request.url)
    if kind == "fail":
        nothing = HTTPResponse(io.BytesIO(), preload_content=False)
        return AWSResponse(request.url, 503, HTTPHeaders(), nothing)
    if kind == "hang":
        request.url = urlsplit(request.url)._replace(netloc=f"127.0.0.1:{silent.getsockname()[1]}").geturl()
    answer = send(session, request)
    if kind == "lost":
        raise ConnectionClosedError(endpoint_url=request.url)
    return answer


def _http(injector: Injector, base: Any) -> Any:
    class Struck(base):
        """A connection whose requests may be struck."""

        def request(self, *arguments: Any, **named: Any) -> None:
            kind = injector.strikes("http")
            if kind == "cut":
                self.sock.shutdown(socket.SHUT_RDWR)
            super().request(*arguments, **named)
            if kind == "lost":
                self.sock.shutdown(socket.SHUT_RDWR)

    return Struck


def _touch(injector: Injector, event: str, arguments: tuple[Any, ...]) -> None:
    """Strikes where the pipeline itself creates, renames or removes a file."""
    if event == "open":
        path, _, flags = arguments
        if not (isinstance(path, str) and isinstance(flags, int) and flags & WRITES) or path.startswith("/dev/"):
            return
    elif event not in ("os.rename", "os.remove", "os.mkdir"):
        return
    if sys._getframe(1).f_code.co_filename == __file__ or not _site().startswith("pipeline/"):
        return
    if injector.strikes("file") == "fail":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
