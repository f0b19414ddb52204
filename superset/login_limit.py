"""Holds off who guesses passwords: failed logins are counted, and after some of them no more are tried for a while."""

from flask import Flask, Response, request
from flask_limiter.util import get_remote_address
from flask_login import current_user

# The form and the REST interface.
DOORS = ("AuthDBView.login", "SecurityApi.login")
# For one name, and for one client with any names: people behind one address do not lock each other out.
PER_NAME, PER_CLIENT = "10 per minute", "100 per minute"


def install(app: Flask) -> None:
    """Puts the limits on each way to log in. What is over a limit is answered with 429, whatever the password."""
    limiter = app.appbuilder.sm.limiter
    for limit, key in ((PER_CLIENT, get_remote_address), (PER_NAME, _client_and_name)):
        shared = limiter.shared_limit(limit, scope="login", key_func=key, methods=["POST"], deduct_when=_has_failed)
        for door in DOORS:
            app.view_functions[door] = shared(app.view_functions[door])


def _client_and_name() -> str:
    sent = request.get_json(silent=True) if request.is_json else request.form
    name = sent.get("username") if isinstance(sent, dict) else None
    return f"{get_remote_address()} {str(name).lower()}"


def _has_failed(response: Response) -> bool:
    return response.status_code != 200 and not current_user.is_authenticated
