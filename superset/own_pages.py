"""Refuses requests that another server's page sends in a user's name. Allows own pages, links to them, and programs.

Browsers send the cookie of 127.0.0.1 to all of its ports, and count them all as one site.
"""

from collections.abc import Iterable
from urllib.parse import urlsplit

from flask import Flask, Response, request

LOOPBACK = ("127.0.0.1", "localhost", "::1")
HEALTH = "health.health"  # a load balancer asks it by the server's address


def install(app: Flask, hosts: Iterable[str]) -> None:
    """Refuses (403) a request that uses another host name than these, or comes from another server's page."""
    names = {*LOOPBACK, *hosts}

    def refuse() -> Response | None:
        if request.endpoint != HEALTH and _name(request.host) not in names:
            return _refusal("Superset is not called that; name the host in SUPERSET_HOSTS and deploy again")
        if _is_of_another_page():
            return _refusal("the request comes from a page of another server; open Superset's own page")
        return None

    app.before_request_funcs.setdefault(None, []).insert(0, refuse)


def names(text: str) -> list[str]:
    """The names in a comma-separated list."""
    return [name.strip().lower() for name in text.split(",") if name.strip()]


def _is_of_another_page() -> bool:
    """Whether a browser sends it for another page. Links from there are allowed, except to the logout."""
    if (origin := request.headers.get("Origin")) and origin.partition("://")[2] != request.host:
        return True
    is_followed = request.method == "GET" and request.headers.get("Sec-Fetch-Mode") == "navigate"
    if request.headers.get("Sec-Fetch-Site", "none") in ("none", "same-origin"):
        return False
    return not is_followed or (request.endpoint or "").endswith(".logout")


def _name(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:  # half of an IPv6 address, for example
        return None


def _refusal(why: str) -> Response:
    return Response(f"You cannot do this, because {why}.\n", 403, content_type="text/plain; charset=utf-8")
