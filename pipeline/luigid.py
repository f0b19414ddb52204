"""Luigi's central scheduler behind a password: luigid, with its own options.

OCEAN_LUIGID_PASSWORD=... python -m pipeline.luigid --address 127.0.0.1 --port 8082 --state-path /var/lib/luigid/state

With OCEAN_BOOK, a folder, it shows the data book in it at /book/.

luigid itself answers everyone who reaches its port. They may then add tasks, stop loads and read what runs. Here a
request needs the password (user `luigi`), names this server as its host, and does not come from another server's page.
Only a POST changes anything. The password is no option, because `ps` shows options.
"""

import base64
import hashlib
import hmac
import logging
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from luigi import cmdline, db_task_history, server
from tornado.httputil import HTTPHeaders, HTTPServerRequest
from tornado.routing import Router
from tornado.web import (
    Application,
    OutputTransform,
    RedirectHandler,
    RequestHandler,
    StaticFileHandler,
    stream_request_body,
)

from pipeline.kernel import basic_auth
from pipeline.kernel.config import LUIGID_USER
from pipeline.kernel.errors import ConfigError
from pipeline.kernel.listener import LOOPBACK
from pipeline.luigid_history import BatchedHistory

PASSWORD, HOSTS = "OCEAN_LUIGID_PASSWORD", "OCEAN_LUIGID_HOSTS"
BOOK = "OCEAN_BOOK"  # the folder of the data book, if this server is to show it at /book/
VISUALISER = Path(server.__file__).parent / "static/visualiser"
# Luigi's page uses GET, even for requests that change something.
BY_POST = """
$.ajaxPrefilter(function (options) { if (/\\/api\\//.test(options.url)) { options.type = 'POST'; } });
"""
# Both graphs label a node with the family of its task, which many tables share. For each script: label and replacement.
TABLE = "({0}.params.table ? {0}.name + ' ' + {0}.params.table : {0}.name)"
LABELS = {
    "graph.js": ("escapeHtml(node.name)", f"escapeHtml{TABLE.format('node')}"),
    "visualiserApp.js": ('"+task.name+"</span>', f'" + escapeHtml{TABLE.format("task")} + "</span>'),
}


class Refused(NamedTuple):
    """Why a request is refused, with its HTTP status."""

    status: int
    why: str


class Guard(Router):
    """Passes on the allowed requests.

    `hosts` are the server's names. A page in another domain that was made to resolve to this server has another name.
    """

    def __init__(self, app: Application, password: str, hosts: Iterable[str]) -> None:
        self._app, self._hosts = app, frozenset(hosts)
        self._login = basic_auth.header(LUIGID_USER, password).encode()
        self._refusals = Application([(r".*", Refusal, {"judge": self.judge})], transforms=[SecurityHeaders])

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> Any:
        """Chooses the handler of a request, for Tornado."""
        answers = self._refusals if self.judge(request) else self._app
        return answers.find_handler(request, **kwargs)

    def judge(self, request: HTTPServerRequest) -> Refused | None:
        """Why the request is refused; None if it is allowed."""
        headers = request.headers
        if _host(f"//{request.host}") not in self._hosts:
            return Refused(403, f"luigid is not called that; {HOSTS} names further hosts")
        if _is_of_another_page(request):
            return Refused(403, "the request comes from a page of another server")
        if not hmac.compare_digest(headers.get("Authorization", "").encode(), self._login):
            return Refused(401, f"luigid asks for the user {LUIGID_USER} and a password")
        if request.path.startswith("/api/") and request.method != "POST":
            return Refused(405, "/api/ takes POST alone, since it may change something")
        return None


def _is_of_another_page(request: HTTPServerRequest) -> bool:
    """Whether a browser sends it for another page. A link to the page itself is allowed."""
    headers = request.headers
    if (origin := headers.get("Origin")) and origin.partition("://")[2] != request.host:
        return True
    is_followed = request.method == "GET" and headers.get("Sec-Fetch-Mode") == "navigate"
    return headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin") and not is_followed


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:  # half of an IPv6 address, for example
        return None


@stream_request_body  # the body of a refused request is not kept
class Refusal(RequestHandler):
    """Answers a refused request with the reason."""

    def initialize(self, judge: Callable[[HTTPServerRequest], Refused | None]) -> None:
        """Sets the function that gives the reason."""
        self._judge = judge

    def data_received(self, chunk: bytes) -> None:
        """Drops the body."""

    def refuse(self) -> None:
        """Answers a request of any method."""
        refused = self._judge(self.request)
        assert refused
        self.set_status(refused.status)
        if refused.status == 401:
            self.set_header("WWW-Authenticate", 'Basic realm="luigid", charset="UTF-8"')
        self.set_header("Content-Type", "text/plain; charset=UTF-8")
        self.finish(f"{refused.why}\n")

    get = head = post = put = patch = delete = options = refuse


class Script(RequestHandler):
    """A script of Luigi's page with our changes."""

    def get(self, name: str) -> None:
        """luigi.js, which asks luigid by POST here, or a script of a graph, whose nodes show their table here."""
        text = (VISUALISER / "js" / name).read_text("utf-8")
        self.set_header("Content-Type", "text/javascript; charset=UTF-8")
        self.finish(text.replace(*LABELS[name]) if name in LABELS else text + BY_POST)


class BookFile(StaticFileHandler):
    """A file of the data book, which may be made again at any time: a browser asks each time whether it was."""

    def set_extra_headers(self, path: str) -> None:  # noqa: ARG002 Tornado's arguments
        """Keeps no answer without asking."""
        self.set_header("Cache-Control", "no-cache")


class SecurityHeaders(OutputTransform):
    """The security headers of every answer: no foreign scripts or pictures, and no frame around the page."""

    def transform_first_chunk(
        self, status_code: int, headers: HTTPHeaders, chunk: bytes, _finishing: bool
    ) -> tuple[int, HTTPHeaders, bytes]:
        """Adds the headers to an answer that begins."""
        for name, value in HEADERS.items():
            headers[name] = value
        return status_code, headers, chunk


def _policy() -> str:
    """The content security policy: it allows the scripts inside Luigi's own page, by their hashes."""
    page = (VISUALISER / "index.html").read_text("utf-8")
    digests = [hashlib.sha256(script.encode()).digest() for script in re.findall(r"<script>(.*?)</script>", page, re.S)]
    inline = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    return (
        f"default-src 'self'; script-src 'self' {inline}; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )


HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": _policy(),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def guarded(app: Application, environment: Mapping[str, str]) -> Guard:
    """The application of luigid behind the password from the environment.

    Raises ConfigError without one.
    """
    password = environment.get(PASSWORD)
    if not password:
        raise ConfigError(
            "start luigid",
            f"{PASSWORD} is not set",
            "set it, for luigid and for the loads, to a random text of letters and digits",
        )
    app.add_transform(SecurityHeaders)
    app.add_handlers(r".*", [(r"/static/visualiser/js/((?:luigi|graph|visualiserApp)\.js)", Script)])
    if book := environment.get(BOOK):
        shown = {"path": book, "default_filename": "index.html"}
        app.add_handlers(r".*", [(r"/book", RedirectHandler, {"url": "/book/"}), (r"/book/(.*)", BookFile, shown)])
    more = [host.strip().lower() for host in environment.get(HOSTS, "").split(",")]
    return Guard(app, password, {*LOOPBACK, *filter(None, more)})


def main() -> int:
    """Runs luigid until the process is told to stop; returns the exit code."""
    unguarded = server.app
    try:
        guarded(unguarded(None), os.environ)  # reports errors of the environment before anything starts
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 1
    server.app = lambda scheduler: guarded(unguarded(scheduler), os.environ)
    db_task_history.DbTaskHistory = BatchedHistory
    # No log of refused requests: they could fill the disk.
    for name in ("tornado.access", "tornado.general"):
        logging.getLogger(name).setLevel(logging.ERROR)
    cmdline.luigid(sys.argv[1:])
    return 0


if __name__ == "__main__":
    sys.exit(main())
