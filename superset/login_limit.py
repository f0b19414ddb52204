"""Holds off who guesses passwords: failed logins are counted, and after some of them no more are tried for a while."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Flask, Response, abort, request
from flask_limiter.util import get_remote_address
from flask_login import current_user

# The form and the REST interface.
FORM, REST = DOORS = ("AuthDBView.login", "SecurityApi.login")
# For one name, and for one client with any names: people behind one address do not lock each other out.
PER_NAME, PER_CLIENT = "10 per minute", "100 per minute"


def install(app: Flask) -> None:
    """Puts the limits on each way to log in. What is over a limit is answered with 429, whatever the password."""
    limiter = app.appbuilder.sm.limiter
    for limit, key in ((PER_CLIENT, get_remote_address), (PER_NAME, _client_and_name)):
        shared = limiter.shared_limit(limit, scope="login", key_func=key, methods=["POST"], deduct_when=_has_failed)
        for door in DOORS:
            app.view_functions[door] = shared(app.view_functions[door])
    for door in DOORS:
        app.view_functions[door] = _named(app.view_functions[door])


def _client_and_name() -> str:
    return f"{get_remote_address()} {str(_name()).lower()}"


def _name() -> Any:
    sent = request.get_json(silent=True) if request.is_json else request.form
    return sent.get("username") if isinstance(sent, dict) else None


def _named(view: Callable[..., Any]) -> Callable[..., Any]:
    """Has the one name by which attempts are counted be the one that is tried; anything else is answered with 400."""

    @wraps(view)
    def named(*args: Any, **kwargs: Any) -> Any:
        # The form would take JSON too, and of a list of names the first.
        if request.method == "POST" and (
            (request.is_json and request.endpoint == FORM) or not isinstance(_name(), str | None)
        ):
            abort(400)
        return view(*args, **kwargs)

    return named


def _has_failed(response: Response) -> bool:
    # The form tries no password of whoever has logged in; the REST interface does, and has nobody logged in by it.
    return response.status_code != 200 and (request.endpoint == REST or not current_user.is_authenticated)
