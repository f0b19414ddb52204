"""Superset's log of users' actions, written by a thread of its own instead of at the end of each request.

The contents of an event come from the request. They are not trusted, and none may cause the loss of other events.
"""

import atexit
import datetime as dt
import json
import logging
import queue
import threading
from collections.abc import Iterator
from itertools import islice
from typing import Any

from flask import Flask, current_app
from sqlalchemy import insert
from sqlalchemy.engine import Engine
from sqlalchemy.exc import OperationalError
from superset.utils.log import DBEventLogger

logger = logging.getLogger(__name__)

EVERY = 0.5  # seconds; a kill of the server loses younger events
WAITING = 5000  # events; more are lost, as the database is too slow
AT_ONCE = 1000  # rows in a statement
RECORDS = 100  # in a request; pages send ten
LONGEST = 10_000  # characters of the JSON of an event; a longer one loses its JSON
LARGEST = 2**31 - 1  # the largest number in the table


class EventLogger(DBEventLogger):
    """Superset's own commits in the request's session, which makes the request read all its objects again."""

    def __init__(self) -> None:
        self._events: queue.Queue[dict[str, Any]] = queue.Queue(WAITING)
        self._lock, self._writer = threading.Lock(), None
        self._lost = 0

    def log_with_context(self, *arguments: Any, **named: Any) -> None:
        """Records an event of a request; nothing for a request that Superset cannot understand."""
        try:
            super().log_with_context(*arguments, **named)
        except Exception as error:
            logger.error("cannot record the action of a request: %s", type(error).__name__)

    def log(
        self,
        user_id: int | None,
        action: str,
        dashboard_id: int | None,
        duration_ms: int | None,
        slice_id: int | None,
        referrer: str | None,
        *_args: Any,
        **details: Any,
    ) -> None:
        """Records an event, with one row for each of its `records`."""
        for record in _records(details):
            event = {
                "action": _text(action, 512),
                "json": _json(record),
                "dashboard_id": _number(dashboard_id) or _number(record.get("dashboard_id")),
                "slice_id": _number(slice_id) or _number(record.get("slice_id")),
                "duration_ms": _number(duration_ms),
                "referrer": _text(referrer, 1024),
                "user_id": user_id,
                "dttm": dt.datetime.now(dt.UTC).replace(tzinfo=None),  # the table has no time zone
            }
            try:
                self._events.put_nowait(event)
            except queue.Full:
                with self._lock:
                    self._lost += 1
        self._begin(current_app._get_current_object())

    def write(self, app: Flask) -> None:
        """Writes the recorded events. An event that the database refuses is lost, with a line in the server's log."""
        from superset import db

        while rows := list(islice(self._waiting(), AT_ONCE)):
            with app.app_context():
                self._insert(db.engine, rows)
        with self._lock:
            lost, self._lost = self._lost, 0
        if lost:
            logger.error("%s events were not logged, as the database did not keep up", lost)

    def _waiting(self) -> Iterator[dict[str, Any]]:
        try:
            while True:
                yield self._events.get_nowait()
        except queue.Empty:
            return

    def _insert(self, engine: Engine, rows: list[dict[str, Any]]) -> None:
        """Inserts the rows. Bisects them to leave out those that the database refuses."""
        try:
            _insert(engine, rows)
        except Exception as error:
            if len(rows) == 1 or isinstance(error, OperationalError):  # the latter has no row: no connection, no space
                logger.error("cannot log %s events, %s for one: %s", len(rows), rows[0]["action"], type(error).__name__)
                return
            middle = len(rows) // 2
            self._insert(engine, rows[:middle])
            self._insert(engine, rows[middle:])

    def _begin(self, app: Flask) -> None:
        """Starts the thread that writes, in each process at its first event."""
        with self._lock:
            if self._writer is None:
                self._writer = threading.Thread(target=self._write_on, args=[app], daemon=True)
                self._writer.start()
                atexit.register(self.write, app)

    def _write_on(self, app: Flask) -> None:
        pause = threading.Event()
        while not pause.wait(EVERY):
            try:
                self.write(app)
            except Exception as error:  # no other thread would write
                logger.error("cannot write the log of events: %s", type(error).__name__)


def _records(details: dict[str, Any]) -> list[dict[str, Any]]:
    found = details.get("records") or [details.get("curated_payload")]
    return [record for record in found[:RECORDS] if record and isinstance(record, dict)]


def _json(record: dict[str, Any]) -> str:
    text = json.dumps(record, default=str)
    return text if len(text) <= LONGEST else json.dumps({"left_out": len(text)})


def _number(value: Any) -> int | None:
    return value if type(value) is int and -LARGEST <= value <= LARGEST else None


def _text(value: Any, longest: int) -> str | None:
    return value.replace("\0", "")[:longest] if isinstance(value, str) else None


def _insert(engine: Engine, rows: list[dict[str, Any]]) -> None:
    from superset.models.core import Log

    with engine.begin() as connection:
        connection.execute(insert(Log.__table__), rows)
