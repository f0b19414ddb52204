"""Superset's log of who did what, written beside the requests instead of at the end of each."""

import atexit
import datetime as dt
import json
import logging
import queue
import threading
from typing import Any

from flask import Flask, current_app
from sqlalchemy import insert
from sqlalchemy.engine import Engine
from sqlalchemy.exc import SQLAlchemyError
from superset.utils.log import DBEventLogger

logger = logging.getLogger(__name__)

EVERY = 0.5  # seconds; what is younger is lost when the server is killed


class EventLogger(DBEventLogger):
    """As Superset's own, which commits in the request's session and so has it read again whatever it knew."""

    def __init__(self) -> None:
        self._events: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._lock, self._writer = threading.Lock(), None

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
        """Notes an event, with one row for each of its `records`."""
        for record in details.get("records") or filter(None, [details.get("curated_payload")]):
            self._events.put(
                {
                    "action": action,
                    "json": json.dumps(record, default=str),
                    "dashboard_id": dashboard_id or record.get("dashboard_id"),
                    "slice_id": slice_id or record.get("slice_id"),
                    "duration_ms": duration_ms,
                    "referrer": referrer,
                    "user_id": user_id,
                    "dttm": dt.datetime.now(dt.UTC).replace(tzinfo=None),  # as the table has it
                }
            )
        self._begin(current_app._get_current_object())

    def write(self, app: Flask) -> None:
        """Writes what was noted. An event that the database refuses is lost, and said in the server's log."""
        from superset import db

        rows = []
        while not self._events.empty():
            rows.append(self._events.get())
        if not rows:
            return
        with app.app_context():
            try:
                _insert(db.engine, rows)
            except SQLAlchemyError:  # each alone, as what one client sends must not lose the events of others
                for row in rows:
                    try:
                        _insert(db.engine, [row])
                    except SQLAlchemyError as error:
                        logger.error("cannot log the event %s: %s", row["action"], type(error).__name__)

    def _begin(self, app: Flask) -> None:
        """Begins to write, in each process once it has something to write."""
        with self._lock:
            if self._writer is None:
                self._writer = threading.Thread(target=self._write_on, args=[app], daemon=True)
                self._writer.start()
                atexit.register(self.write, app)

    def _write_on(self, app: Flask) -> None:
        pause = threading.Event()
        while not pause.wait(EVERY):
            self.write(app)


def _insert(engine: Engine, rows: list[dict[str, Any]]) -> None:
    from superset.models.core import Log

    with engine.begin() as connection:
        connection.execute(insert(Log.__table__), rows)
