"""Whole answers, kept as long as the results that they show; and what many ask for at once is computed once.

Superset takes a tenth of a second to find out that it knows the result of a chart's query. An answer that is kept has
been through all of that for somebody with the same roles, the check of who may see it included, and word for word the
same request. What depends on the clock or on running tasks (`cache_timeout: -1` of its dataset) is computed for whoever
asks: an answer is shared only with those who asked before it was begun, and wait.
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
# What a page asks before it asks for data.
DESCRIPTIONS = {
    "DashboardRestApi.get",
    "DashboardRestApi.get_charts",
    "DashboardRestApi.get_datasets",
    "DatabaseRestApi.get_list",
    "DatasetRestApi.get_drill_info",
}
NOT_KEPT = -1  # Superset's cache_timeout of what must not be kept
SHARED = 10  # seconds after which nobody waits for an answer that is not kept
DESCRIBED = 60  # seconds for which a description is right, as it says "changed a minute ago"
LARGEST = 1 << 20  # bytes
# Computing takes a processor, of which each process can use one: more at once would keep whoever asks for what is known
# waiting as well. Two, so that a slow query of one chart leaves a place for others.
AT_ONCE = 2
PARAMETERS = {"form_data", "dashboard_id", "force", "q"}  # that pages send in the address

# Superset's own notes, which change nothing of what anybody sees.
NOTES = {"logs", "cache_keys", "key_value", "favstar"}
LOGIN = {"last_login", "login_count", "fail_login_count", "changed_on"}
WRITE = re.compile(r"\s*(?:insert into|update|delete from)\s+(\w+)(?:\s+set\s+(.*?)(?:\s+where\s|$))?", re.I | re.S)


_computing = threading.BoundedSemaphore(AT_ONCE)


def keep_answers(app: Flask, folder: Folder, let_go: Callable[[], None]) -> None:
    """Has `app` keep its answers in `folder`, and end them when its dashboards, roles or rules change.

    `let_go` gives a connection to the database back, so that none is held by a request that waits for another.
    """
    folder.assets_changed()  # what an earlier version of this server kept
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
    """Names the answer to this request; None for what is none of ours, or what no page asks.

    A user with a token, and not a session, is known only later.
    """
    if request.endpoint not in CHARTS | DESCRIPTIONS or "Authorization" in request.headers:
        return None
    if not request.args.keys() <= PARAMETERS or request.files:
        return None
    scope = folder.scope()
    if scope is None:
        return None
    # As a list, in which nothing that is sent can pass for something else; the address with its host, as links have it.
    # The order of names stays, as it may be that of columns. A form has another boundary each time.
    body: Any = request.get_json(silent=True) or [*request.form.items(multi=True)] or request.get_data(as_text=True)
    parameters = sorted(request.args.items(multi=True))
    return json.dumps([scope, request.method, request.base_url, parameters, request.mimetype, body])


def _shared(folder: Folder, key: str, asked: float, compute: Callable[[], ResponseReturnValue]) -> Response:
    """The answer that somebody else computed meanwhile, or else our own."""
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
    """Whether the answer of a chart is right until the next load; that the browser wants it again says it is not."""
    content = json.loads(response.get_data())
    results = content.get("result", [content])  # or one, of a chart of which the server makes the query
    return all(result.get("cache_timeout") != NOT_KEPT for result in results) and not _is_forced()


def _is_forced() -> bool:
    body: Any = request.get_json(silent=True)
    return bool(request.args.get("force") or (isinstance(body, dict) and body.get("force")))


def _watch(folder: Folder) -> None:
    """Ends what is kept whenever something that matters was written to Superset's own database, and committed."""
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
    """Whether a statement writes more than Superset's notes: who looked at what, and when somebody logged in."""
    found = WRITE.match(statement)
    if found is None or found[1].lower() in NOTES:
        return False
    is_login = found[1].lower() == "ab_user" and found[2] and set(re.findall(r"(\w+)\s*=", found[2])) <= LOGIN
    return not is_login
