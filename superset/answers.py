"""Keeps whole answers as long as their results are valid; computes an answer once for many who ask at the same time.

Superset needs a tenth of a second to find the known result of a chart's query. A kept answer passed all of Superset's
steps, including the access check, for a user with the same roles and exactly the same request. Results that depend on
the clock or on running tasks (`cache_timeout: -1` of the dataset) are computed for each request. Such an answer is
shared only with requests that came before its computation began and are waiting.
"""

import json
import re
import threading
import time
from collections.abc import Callable
from typing import Any

from flask import Flask, Response, make_response, request
from flask.typing import ResponseReturnValue
from result_cache import Folder
from single_flight import alone
from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

CHARTS = {"ChartDataRestApi.data", "ChartDataRestApi.get_data", "Superset.explore_json"}
# The requests of a page before those for its data.
DESCRIPTIONS = {
    "DashboardRestApi.get",
    "DashboardRestApi.get_charts",
    "DashboardRestApi.get_datasets",
    "DatabaseRestApi.get_list",
    "DatasetRestApi.get_drill_info",
}
NOT_KEPT = -1  # Superset's cache_timeout of results that must not be kept
SHARED = 10  # seconds after which nobody waits for an answer that is not kept
DESCRIBED = 60  # seconds for which a description is right: it contains "changed a minute ago"
LARGEST = 1 << 20  # bytes
# Each process can use one processor. More computations at once would delay the answers that are already known. Two, so
# that a slow query of one chart leaves a place for others.
AT_ONCE = 2
PARAMETERS = {"form_data", "dashboard_id", "force", "q"}  # in the addresses that pages send

# Tables of Superset's own notes, which change no answer.
NOTES = {"logs", "cache_keys", "key_value", "favstar"}
LOGIN = {"last_login", "login_count", "fail_login_count", "changed_on"}
WRITE = re.compile(r"\s*(?:insert into|update|delete from)\s+(\w+)(?:\s+set\s+(.*?)(?:\s+where\s|$))?", re.I | re.S)


_computing = threading.BoundedSemaphore(AT_ONCE)


def keep_answers(app: Flask, folder: Folder, let_go: Callable[[], None]) -> None:
    """Makes `app` keep its answers in `folder`, and drop them when its dashboards, roles or rules change.

    `let_go` returns a connection to the pool, so that a request holds none while it waits for another request.
    """
    folder.assets_changed()  # drops the answers of an earlier version of this server
    dispatch = app.dispatch_request

    def answer() -> ResponseReturnValue:
        key = _key(folder)
        if key is None:
            return dispatch()
        asked = time.monotonic()  # one clock for all processes
        if found := _find(folder, key, asked):
            return found
        let_go()
        return _shared(folder, key, asked, dispatch)

    app.dispatch_request = answer
    app.before_request_funcs.setdefault(None, []).insert(0, folder.begin)  # the others read the user
    _watch(folder)


def _key(folder: Folder) -> str | None:
    """The name of the answer to this request; None for a request that is not kept, or that no page sends.

    The user of a token, without a session, is known only later.
    """
    if request.endpoint not in CHARTS | DESCRIPTIONS or "Authorization" in request.headers:
        return None
    if not request.args.keys() <= PARAMETERS or request.files:
        return None
    scope = folder.scope()
    if scope is None:
        return None
    # A list, so that no value can pass for another one. The address includes its host, because links do.
    # Keeps the order of names, which may be that of columns. Parses forms, whose boundary differs each time.
    body: Any = request.get_json(silent=True) or [*request.form.items(multi=True)] or request.get_data(as_text=True)
    parameters = sorted(request.args.items(multi=True))
    return json.dumps([scope, request.method, request.base_url, parameters, request.mimetype, body])


def _shared(folder: Folder, key: str, asked: float, compute: Callable[[], ResponseReturnValue]) -> Response:
    """The answer that another request computed meanwhile, or a new one."""
    with alone(folder.locks, key):
        if found := _find(folder, key, asked):
            return found
        with _computing:
            begun = time.monotonic()
            response = make_response(compute())
        if response.status_code == 200 and response.is_json and len(response.get_data()) <= LARGEST:
            is_described = request.endpoint in DESCRIPTIONS
            lasts = is_described or _lasts(response)
            kept = (None if lasts else begun, response.get_data(), response.content_type)
            folder.files.set(key, kept, DESCRIBED if is_described else None if lasts else SHARED)
        return response


def _find(folder: Folder, key: str, asked: float) -> Response | None:
    kept = folder.files.get(key)
    if kept is None:
        return None
    begun, content, content_type = kept
    if begun is not None and begun < asked:
        return None
    return Response(content, content_type=content_type)


def _lasts(response: Response) -> bool:
    """Whether a chart's answer is valid until the next load. A forced answer is not."""
    content = json.loads(response.get_data())
    results = content.get("result", [content])  # or one result, if the server makes the chart's query
    return all(result.get("cache_timeout") != NOT_KEPT for result in results) and not _is_forced()


def _is_forced() -> bool:
    body: Any = request.get_json(silent=True)
    return bool(request.args.get("force") or (isinstance(body, dict) and body.get("force")))


def _watch(folder: Folder) -> None:
    """Drops the kept answers after each commit to Superset's own database that changes more than notes."""
    wrote = threading.local()

    @event.listens_for(Engine, "before_cursor_execute")
    def notice(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if matters(statement):
            wrote.something = True

    @event.listens_for(Session, "after_commit")
    def end(_session: Session) -> None:
        if getattr(wrote, "something", False):
            wrote.something = False
            folder.assets_changed()

    @event.listens_for(Session, "after_rollback")
    def forget(_session: Session) -> None:
        wrote.something = False


def matters(statement: str) -> bool:
    """Whether a statement writes more than Superset's notes of views and logins."""
    found = WRITE.match(statement)
    if found is None or found[1].lower() in NOTES:
        return False
    is_login = found[1].lower() == "ab_user" and found[2] and set(re.findall(r"(\w+)\s*=", found[2])) <= LOGIN
    return not is_login
