"""The version of the warehouse's data, from schema mart."""

import threading
import time
from contextlib import suppress

import psycopg2
from sqlalchemy.engine import make_url

QUERY = "select string_agg(table_name || ' ' || version, ', ' order by table_name) from mart.data_version"
BELIEVED = 1.0  # seconds; a load shows at the first look after them, or after twice as many under many requests
PATIENCE = "-c statement_timeout=2s -c lock_timeout=1s"


class DataVersion:
    """Asks the warehouse over a connection of its own, at most once a second for all threads together."""

    def __init__(self, url: str) -> None:
        self._url = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        self._connection: psycopg2.extensions.connection | None = None
        self._lock = threading.Lock()
        self._known: str | None = None
        self._asked = -2 * BELIEVED

    def now(self) -> str | None:
        """The version; None if the warehouse has none or does not answer, so that nothing may be kept."""
        age = time.monotonic() - self._asked
        if age < BELIEVED:
            return self._known
        if not self._lock.acquire(blocking=age >= 2 * BELIEVED):  # otherwise the thread that asks now asks for all
            return self._known
        try:
            asked = time.monotonic()
            if asked - self._asked >= BELIEVED:
                self._known = self._ask()
                self._asked = asked
            return self._known
        finally:
            self._lock.release()

    def _ask(self) -> str | None:
        for _ in range(2):  # a second attempt, if a restart has cut the connection
            is_new = self._connection is None
            try:
                if self._connection is None:
                    self._connection = psycopg2.connect(
                        self._url,
                        connect_timeout=3,
                        application_name="oceanrecords data version",
                        options=PATIENCE,
                    )
                    self._connection.autocommit = True
                with self._connection.cursor() as cursor:
                    cursor.execute(QUERY)
                    found: tuple[str | None] = cursor.fetchone()
                    return found[0]
            except psycopg2.Error:
                with suppress(psycopg2.Error, AttributeError):
                    self._connection.close()
                self._connection = None
                if is_new:
                    return None
        return None
