"""Slows attempts to guess passwords: after some failed logins, refuses further ones for a while."""

import hashlib
from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Flask, Response, abort, current_app, request
from flask_login import current_user
from local_client import client

# The form and the REST interface.
FORM, REST = DOORS = ("AuthDBView.login", "SecurityApi.login")
# For one user, and for one client with any names. So people behind one address do not lock each other out.
PER_NAME, PER_CLIENT = "10 per minute", "100 per minute"
LONGEST = 256  # characters of a name; Superset's own have at most 64, addresses 254


def install(app: Flask) -> None:
    """Puts the limits on each way to log in. Answers attempts over a limit with 429, even with the right password."""
    limiter = app.appbuilder.sm.limiter
    for limit, key in ((PER_CLIENT, _client), (PER_NAME, _client_and_user)):
        shared = limiter.shared_limit(limit, scope="login", key_func=key, methods=["POST"], deduct_when=_has_failed)
        for door in DOORS:
            app.view_functions[door] = shared(app.view_functions[door])
    for door in DOORS:
        app.view_functions[door] = _named(app.view_functions[door])


def _client() -> str:
    return _short(client())


def _client_and_user() -> str:
    """The client and the user that it claims to be. A user has two names: user name and e-mail address."""
    name = _name() or ""
    find = current_app.appbuilder.sm.find_user
    users = [
        find(username=name),
        find(email=name),
    ]  # both, so that the time does not tell whether the first exists
    known = next((user for user in users if user is not None), None)
    return _short(f"{client()} {name.lower()!r}" if known is None else f"{client()} {known.id}")


def _short(key: str) -> str:
    """A key of bounded length for any input."""
    return hashlib.sha256(key.encode(errors="replace")).hexdigest()


def _name() -> Any:
    sent = request.get_json(silent=True) if request.is_json else request.form
    return sent.get("username") if isinstance(sent, dict) else None


def _named(view: Callable[..., Any]) -> Callable[..., Any]:
    """Makes the counted name the one that is tried; answers other requests with 400."""

    @wraps(view)
    def named(*args: Any, **kwargs: Any) -> Any:
        if request.method == "POST":
            name = _name()
            # The form would also accept JSON, and the first of a list of names.
            if (request.is_json and request.endpoint == FORM) or not isinstance(name, str | None):
                abort(400)
            if len(name or "") > LONGEST:
                abort(400)
        return view(*args, **kwargs)

    return named


def _has_failed(response: Response) -> bool:
    # The form tries no password for a user who is logged in. The REST interface does, and its login starts no session.
    return response.status_code != 200 and (request.endpoint == REST or not current_user.is_authenticated)
