"""Superset's configuration, from the environment alone.

SUPERSET_SECRET_KEY     signs sessions; at least 32 random characters
SUPERSET_METADATA_URL   Superset's own database
SUPERSET_WAREHOUSE_URL  the warehouse, for a role that may read schema mart and nothing else
SUPERSET_WAREHOUSE_URL_GERMANY, ...  for a role that sees this country alone; without it nobody can use such a role
SUPERSET_HTTPS          1: it is served behind a proxy that ends TLS; cookies and redirects use HTTPS (default 0)
SUPERSET_HOSTS          comma-separated host names that browsers use, besides those of this machine (default: none)

`make dashboards` sets all but the last two, which it passes on. The server does not decide whether a login is needed:
the roles that deploy.py sets do (SUPERSET_ANONYMOUS).
"""

import copy
import logging
import os
import sys
from pathlib import Path
from typing import Any

from flask import Flask, g, has_request_context
from sqlalchemy.engine import URL, make_url

# Superset runs this file at the end of its own, whose names exist already.
from superset.config import TALISMAN_CONFIG as SUPERSETS_TALISMAN
from superset.config import THEME_DEFAULT as SUPERSETS_THEME
from superset.utils.logging_configurator import DefaultLoggingConfigurator

# Last, so that no file beside this one hides another library's module.
sys.path.append(str(Path(__file__).parent))
import access
import admin_only
import event_log
import log_bound
import login_limit
import own_pages
import permissions
import rate_limits  # noqa: F401 makes its storage known
import warehouse_logins
import well_formed
from answers import keep_answers
from logins import LASTS, Logins
from result_cache import Folder

CUSTOM_SECURITY_MANAGER = access.SecurityManager
EVENT_LOGGER = event_log.EventLogger()

HTTPS = os.environ.get("SUPERSET_HTTPS", "0") == "1"
OWN = Path(os.environ.get("SUPERSET_HOME") or Path.home() / ".superset")

APP_NAME = "OceanRecords"
SECRET_KEY = os.environ["SUPERSET_SECRET_KEY"]
SQLALCHEMY_DATABASE_URI = os.environ["SUPERSET_METADATA_URL"]
# Superset tries each connection before it uses it, so a restart of the database needs no pool_pre_ping.
SQLALCHEMY_ENGINE_OPTIONS = {"pool_size": 12, "max_overflow": 12}  # a new one takes 10 ms, so many stay open


def DB_CONNECTION_MUTATOR(  # noqa: N802 the name is Superset's
    uri: URL, params: dict[str, Any], _: str | None, security_manager: Any, *__: object
) -> tuple[URL, dict[str, Any]]:
    """Puts the warehouse's address and password in when a connection is made. So neither is stored anywhere.

    They depend on the user of the request. deploy.py has no user and no request.
    """
    if uri.host == "warehouse.invalid":  # as in assets/databases/warehouse.yaml
        roles, public = {"Admin"}, security_manager.auth_role_public
        if has_request_context() or getattr(g, "user", None):
            roles = {role.name for role in security_manager.get_user_roles(g.user)}
        url = warehouse_logins.url(roles, {warehouse_logins.VIEWER, warehouse_logins.ASSISTANT, public}, os.environ)
        uri = make_url(url).set(drivername=uri.drivername)
    return uri, params


# Until the next load, each chart is computed once for all users with the same view.
KEPT = Folder(OWN / "cache", os.environ["SUPERSET_WAREHOUSE_URL"])
DATA_CACHE_CONFIG = {"CACHE_TYPE": "result_cache.DataCache", "FOLDER": KEPT}
CACHE_CONFIG = DATA_CACHE_CONFIG  # data of pages about themselves and their user


def FLASK_APP_MUTATOR(app: Flask) -> None:  # noqa: N802 the name is Superset's
    """Makes the server refuse, slow and end harmful requests and sessions, and keep whole answers."""
    from superset import db

    login_limit.install(app)
    # Each of these runs before those above it. So the body is read only after its size is checked.
    well_formed.install(app)
    admin_only.install(app)
    keep_answers(app, KEPT, db.session.rollback)
    own_pages.install(app, own_pages.names(os.environ.get("SUPERSET_HOSTS", "")))
    permissions.remember(app, KEPT)
    LOGINS.install(app)


class Logging(DefaultLoggingConfigurator):  # type: ignore[misc]
    """Superset's own set-up of the log, with a limit."""

    def configure_logging(self, app_config: Any, debug_mode: bool) -> None:
        """Sets up the log of a process."""
        super().configure_logging(app_config, debug_mode)
        log_bound.install(logging.getLogger())


LOGGING_CONFIGURATOR = Logging()
LOGINS = Logins(OWN / "logins.sqlite")

# The filter state in a page's address: two files each, one of at most 16 kB (admin_only.py).
FILTER_STATE_CACHE_CONFIG = {
    "CACHE_TYPE": "FileSystemCache",
    "CACHE_DIR": str(OWN / "filters"),
    "CACHE_THRESHOLD": 2000,
    "CACHE_DEFAULT_TIMEOUT": 24 * 60 * 60,
    "REFRESH_TIMEOUT_ON_RETRIEVAL": True,
}

MCP_DEV_USERNAME = "assistant"  # the user of each call of an assistant's tool (assistant.py)

# Roles open a dashboard with the data of its charts. So its viewers need no access to the datasets.
FEATURE_FLAGS = {"DASHBOARD_RBAC": True}

PERMANENT_SESSION_LIFETIME = JWT_REFRESH_TOKEN_EXPIRES = LASTS
ENABLE_CORS = False
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = HTTPS
ENABLE_PROXY_FIX = HTTPS
PREFERRED_URL_SCHEME = "https" if HTTPS else "http"

# The browser uses this server alone: no telemetry pixel, no foreign fonts, pictures or maps.
TALISMAN_CONFIG = copy.deepcopy(SUPERSETS_TALISMAN)
TALISMAN_CONFIG |= {"force_https": HTTPS, "session_cookie_secure": HTTPS}
TALISMAN_CONFIG["content_security_policy"] |= {
    "img-src": ["'self'", "blob:", "data:"],
    "connect-src": ["'self'"],
    "style-src": ["'self'", "'unsafe-inline'"],
    "font-src": ["'self'"],
}

MAX_CONTENT_LENGTH = 32 * 1024 * 1024  # bytes, also for an Admin's uploads; admin_only.py sets less for others

# Only failed logins are limited. The serving processes count them together.
RATELIMIT_ENABLED, RATELIMIT_APPLICATION, AUTH_RATE_LIMITED = True, None, False
RATELIMIT_STORAGE_URI = f"sqlite-limits://{OWN}/attempts.sqlite"

# Charts appear at once: animation costs time, and a picture taken during it would be wrong.
THEME_DEFAULT = copy.deepcopy(SUPERSETS_THEME) | {"echartsOptionsOverrides": {"animation": False}}
# The symbol of a loading chart. Superset looks for its own in its source tree, and logs an error for each page.
THEME_DEFAULT["token"]["brandSpinnerSvg"] = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" width="24" height="24" fill="none" stroke="#1f77a4">'
    '<path d="M21 12a9 9 0 1 1-9-9" stroke-width="3" stroke-linecap="round">'
    '<animateTransform attributeName="transform" type="rotate" from="0 12 12" to="360 12 12" dur="1s" '
    'repeatCount="indefinite"/></path></svg>'
)
# Darker than Superset's own, so that links, hints and empty cells can be read (WCAG AA: 4.5 to 1).
THEME_DEFAULT["token"] |= {
    "colorLink": "#176b87",
    "colorTextPlaceholder": "#6e6e6e",
    "colorTextTertiary": "#666666",
}
THEME_DARK = None

LOG_LEVEL = "WARNING"
