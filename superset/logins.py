"""Valid logins by the form. After a user's logout a cookie, which anybody may have copied, opens nothing any more.

Superset's own sessions are completely in the cookie. Flask-Session would make a session on the server for each visitor
of the login page. So a stranger could fill the disk or push out other sessions. Here only a right password makes one.
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
MOST = 1000  # per user, then the oldest ends; a whole company may share one user
NAME = "login"  # in the cookie
TABLE = "create table if not exists logins (login text primary key, user int, expires real)"
END_OLDEST = """
delete from logins
where login in (select login from logins where user = ? order by expires desc limit -1 offset ?)
"""


class Logins:
    """The logins of all processes of the server, in a file without cookies and passwords."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with transaction(path) as database:
            database.execute(TABLE)

    def install(self, app: Flask) -> None:
        """Makes a login begin at the form, and end at logout, with a new password, or after some hours."""
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
    """The name of this session's login: by user and password, and different for each login."""
    return hashlib.sha256(f"{session.get(NAME)} {user.id} {user.password}".encode()).hexdigest()
