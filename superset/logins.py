"""Which logins by the form hold. A cookie alone, which anybody may have copied, opens nothing after its user's logout.

Superset's own sessions are all in the cookie. Sessions on the server (Flask-Session) would be made for whoever looks at
the login page, so that a stranger could fill the disk with them or push others out; here a right password makes one.
"""

import datetime as dt
import hashlib
import secrets
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from flask import Flask, session
from flask_login import user_logged_in, user_logged_out
from shared_file import connected, transaction

LASTS = dt.timedelta(hours=12)
MOST = 1000  # of one user, whose oldest ends then: everybody in a company may be the same one
NAME = "login"  # in the cookie
TABLE = "create table if not exists logins (login text primary key, user int, expires real)"
END_OLDEST = """
delete from logins
where login in (select login from logins where user = ? order by expires desc limit -1 offset ?)
"""


class Logins:
    """Those of all processes of the server, in a file that has neither a cookie nor a password."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with transaction(path) as database:
            database.execute(TABLE)

    def install(self, app: Flask) -> None:
        """Has a login begin at the form, and end at logout, with a new password, or after some hours."""
        user_logged_in.connect(self._begin, app, weak=False)
        user_logged_out.connect(self._end, app, weak=False)
        find = app.appbuilder.sm.load_user

        @app.login_manager.user_loader
        def load(number: str) -> Any:
            user = find(number)
            return user if user is not None and self._holds(user) else None

    def _begin(self, _app: Flask, user: Any) -> None:
        if user.is_anonymous:
            return
        session[NAME], now = secrets.token_urlsafe(24), time.time()
        with transaction(self._path) as database:
            database.execute(TABLE)
            database.execute("delete from logins where expires <= ?", (now,))
            database.execute(
                "insert into logins values (?, ?, ?)", (_login(user), user.id, now + LASTS.total_seconds())
            )
            database.execute(END_OLDEST, (user.id, MOST))

    def _end(self, _app: Flask, user: Any) -> None:
        if not user.is_anonymous:
            with transaction(self._path) as database:
                database.execute("delete from logins where login = ?", (_login(user),))
        session.pop(NAME, None)

    def _holds(self, user: Any) -> bool:
        query = "select 1 from logins where login = ? and expires > ?"
        with (
            closing(connected(self._path)) as database,
            suppress(sqlite3.OperationalError),
        ):  # somebody removed the file
            return database.execute(query, (_login(user), time.time())).fetchone() is not None
        return False


def _login(user: Any) -> str:
    """Names the login of this session: that of a user with this password."""
    return hashlib.sha256(f"{session.get(NAME)} {user.id} {user.password}".encode()).hexdigest()
