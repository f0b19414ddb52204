"""Requests that only an Admin may send, even if Superset's own rights allow more."""

from contextlib import suppress
from typing import Any

from flask import Flask, abort, json, request
from flask_jwt_extended import verify_jwt_in_request
from werkzeug.datastructures import MultiDict

# Limits in bytes for all other users: of a request, and of the filter state that a page keeps.
LARGEST, LARGEST_STATE = 256 * 1024, 16 * 1024
STATES = ("DashboardFilterStateRestApi.post", "DashboardFilterStateRestApi.put")
QUERIES, FORM = "ChartDataRestApi.data", "Superset.explore_json"


def install(app: Flask) -> None:
    """Checks requests of users who are not Admin before Superset reads them.

    Answers a larger request with 413. Answers with 403 a request for the lists of users and roles, and a query beside
    an invalid form. Removes the wish to compute a chart again from the request.
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
            import query_guard  # needs the application when it is imported

            query_guard.refuse()
        if request.endpoint == FORM and "force" in request.args and not _is_admin():
            request.args = MultiDict(pair for pair in request.args.items(multi=True) if pair[0] != "force")

    def _is_admin() -> bool:
        verify_jwt_in_request(optional=True)  # only this sets the user of a token
        found: bool = app.appbuilder.sm.is_admin()
        return found

    # Superset sets the user only after it has read the body.
    hooks, note_user = app.before_request_funcs[None], app.appbuilder.sm.before_request
    hooks.remove(note_user)
    hooks[:0] = [note_user, require_small]


def _is_large() -> bool:
    """Whether the body is too large, or of unknown length: with an encoding a request gives no length."""
    largest = LARGEST_STATE if request.endpoint in STATES else LARGEST
    return bool(request.headers.get("Transfer-Encoding")) or (request.content_length or 0) > largest


def _has_form() -> bool:
    """Whether the form of a chart, and the chart's number, are of the right types, if they are sent."""
    sent: Any = request.get_json(silent=True)
    if not request.is_json:
        with suppress(ValueError):
            sent = json.loads(request.form.get("form_data", ""))
    form = (sent.get("form_data") or {}) if isinstance(sent, dict) else {}
    return isinstance(form, dict) and type(form.get("slice_id")) in (int, type(None))
