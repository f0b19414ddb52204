"""What an Admin alone may send and list, whatever Superset's own rights say."""

from contextlib import suppress
from typing import Any

from flask import Flask, abort, json, request
from flask_jwt_extended import verify_jwt_in_request
from werkzeug.datastructures import MultiDict

# Bytes of what anybody else sends, and of what a page keeps of its filters.
LARGEST, LARGEST_STATE = 256 * 1024, 16 * 1024
STATES = ("DashboardFilterStateRestApi.post", "DashboardFilterStateRestApi.put")
QUERIES, FORM = "ChartDataRestApi.data", "Superset.explore_json"


def install(app: Flask) -> None:
    """Has requests of whoever is no Admin looked at before Superset reads them.

    A larger one is answered with 413; with 403 one for the users and roles that something may be tied to, and a query
    beside a form that is none. That a chart be computed again is left out of the request.
    """

    def require_small() -> None:
        if _is_large() and not _is_admin():
            abort(413)

    @app.before_request
    def require() -> None:
        # The right to read dashboards, charts and themes includes these lists.
        if (request.endpoint or "").endswith(".related") and not _is_admin():
            abort(403)
        if request.endpoint == QUERIES and not _has_form() and not _is_admin():
            import query_guard  # asks for the application when it is imported

            query_guard.refuse()
        if request.endpoint == FORM and "force" in request.args and not _is_admin():
            request.args = MultiDict(pair for pair in request.args.items(multi=True) if pair[0] != "force")

    def _is_admin() -> bool:
        verify_jwt_in_request(optional=True)  # who comes with a token is known only then
        found: bool = app.appbuilder.sm.is_admin()
        return found

    # Superset notes who asks after it has read the body.
    hooks, note_user = app.before_request_funcs[None], app.appbuilder.sm.before_request
    hooks.remove(note_user)
    hooks[:0] = [note_user, require_small]


def _is_large() -> bool:
    """Whether the body is too large, or does not say how large it is: its length or its encoding is said, not both."""
    largest = LARGEST_STATE if request.endpoint in STATES else LARGEST
    return bool(request.headers.get("Transfer-Encoding")) or (request.content_length or 0) > largest


def _has_form() -> bool:
    """Whether what Superset takes for the form of a chart, and for the chart's number, is one."""
    sent: Any = request.get_json(silent=True)
    if not request.is_json:
        with suppress(ValueError):
            sent = json.loads(request.form.get("form_data", ""))
    form = (sent.get("form_data") or {}) if isinstance(sent, dict) else {}
    return isinstance(form, dict) and type(form.get("slice_id")) in (int, type(None))
