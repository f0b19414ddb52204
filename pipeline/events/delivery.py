"""Sends events in the background: a load neither waits for who takes them, nor fails because of it."""

import contextlib
import queue
import threading
import time
from collections.abc import Callable
from http import HTTPStatus

from pipeline.events.happenings import Happening
from pipeline.kernel import http
from pipeline.kernel.errors import Undelivered, reason

MOST_WAITING = 1000  # events; a load of a date has some two hundred
FAILURES = 3  # in a row, after which nothing more is sent
SECONDS = {"connect": 2, "read": 3, "deadline": 4}  # of each attempt
WAIT = 0.3  # seconds before another attempt, twice and three times as long before the next
LAST_WAIT = 5.0  # seconds at the end of a command
JSON = {"Content-Type": "application/json"}


class _Refused(Exception):
    """The receiver does not want an event; another attempt would be refused as well."""


class Delivery:
    """Posts what happens, in its order, from one thread."""

    def __init__(self, url: http.Url, write: Callable[[Happening], bytes]) -> None:
        self._url, self._write = url, write
        self._waiting: queue.Queue[Happening | None] = queue.Queue(MOST_WAITING)
        self._lost = 0
        self._because = ""
        self._failures = 0  # in a row
        self._is_closing = threading.Event()
        self._thread = threading.Thread(target=self._send_all, name="openlineage", daemon=True)
        self._thread.start()

    def send(self, happening: Happening) -> None:
        """Queues an event. If too many wait, it is lost, and `close` says so."""
        try:
            self._waiting.put_nowait(happening)
        except queue.Full:
            self._lost += 1
            self._because = self._because or f"{MOST_WAITING} events before it were not taken yet"

    def close(self) -> None:
        """Waits a moment for what is left to be sent. Raises Undelivered if an event was lost."""
        self._is_closing.set()
        until = time.monotonic() + LAST_WAIT
        with contextlib.suppress(queue.Full):
            self._waiting.put(None, timeout=LAST_WAIT)
        self._thread.join(max(until - time.monotonic(), 0))
        # Of those that wait one is the end of all, and one more is being sent.
        lost = self._lost + (self._waiting.qsize() if self._thread.is_alive() else 0)
        if lost:
            raise Undelivered(
                f"deliver {lost} events of OpenLineage to openlineage_url",
                self._because or "they were not taken in time",
                "correct OCEAN_OPENLINEAGE_URL, or see to who answers there",
            )

    def _send_all(self) -> None:
        while happening := self._waiting.get():
            if self._failures >= FAILURES or not self._was_sent(happening):
                self._lost += 1

    def _was_sent(self, happening: Happening) -> bool:
        """Whether an event was taken, at the first attempt or one after it."""
        try:
            body = self._write(happening)
        except Exception as error:  # an event that cannot be written must not cost the others
            self._because = reason(error)
            return False
        while True:
            try:
                self._post(body)
            except (http.Again, _Refused) as error:
                self._failures += 1
                self._because = f"{error}, at the last of {self._failures} attempts"
                if isinstance(error, _Refused) or self._failures >= FAILURES:
                    return False
                self._is_closing.wait(WAIT * self._failures)
            else:
                self._failures = 0
                return True

    def _post(self, body: bytes) -> None:
        with http.exchange("POST", self._url, headers=JSON, body=body, **SECONDS) as answer:
            if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
                raise _Refused(http.said(answer))
