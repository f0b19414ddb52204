"""Refuses malformed requests, which no page sends, before they become errors with a trace in the log."""

from typing import Any

from flask import Flask, abort, request
from werkzeug.datastructures import MultiDict

# PostgreSQL's text cannot hold this character. JSON writes it with six others.
NUL, IN_JSON = "\0", "\\u0000"


def install(app: Flask) -> None:
    """Refuses requests with NUL or JSON nested too deeply (400), and requests for another language (404)."""
    hooks = app.before_request_funcs.setdefault(None, [])
    hooks.insert(0, _require)  # before the first hook that reads the body


def _require() -> None:
    if request.path.startswith("/lang/"):  # there is one language, and Superset fails to set another
        abort(404)
    if NUL in request.path or _has_nul(request.args) or _has_nul(request.form):
        abort(400)
    if request.is_json:
        try:
            request.get_json(silent=True)
        except RecursionError:
            abort(400)
        if IN_JSON in request.get_data(as_text=True):
            abort(400)


def _has_nul(sent: MultiDict[str, Any]) -> bool:
    return any(NUL in text or IN_JSON in text for pair in sent.items(multi=True) for text in pair)
