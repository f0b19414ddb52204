"""Limits the server's log, so that frequent or long requests cannot fill the disk."""

import logging
import threading
import time

from werkzeug.exceptions import HTTPException

LONGEST = 2000  # characters of a message, and of the trace of an error
# Records at once, and per second after that: at most 10 MB a day in each process.
AT_ONCE, PER_SECOND = 100, 100 / 3600


class Bound(logging.Filter):
    """Drops records about refused requests, cuts long ones, and counts those over the limit."""

    def __init__(self) -> None:
        super().__init__()
        self._left, self._since, self._dropped = float(AT_ONCE), time.monotonic(), 0
        self._lock = threading.Lock()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is written. Shortens it."""
        if record.exc_info and _is_refusal(record.exc_info[1]):
            return False
        with self._lock:
            now = time.monotonic()
            self._left = min(AT_ONCE, self._left + (now - self._since) * PER_SECOND)
            self._since = now
            if self._left < 1:
                self._dropped += 1
                return False
            self._left -= 1
            dropped, self._dropped = self._dropped, 0
        self._cut(record, f" (before it {dropped} records were left out, as there were too many)" if dropped else "")
        return True

    def _cut(self, record: logging.LogRecord, more: str) -> None:
        text = record.getMessage()
        if len(text) > LONGEST:
            text = f"{text[:LONGEST]}... ({len(text)} characters)"
        record.msg, record.args = text + more, None
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text and len(record.exc_text) > LONGEST:
            record.exc_text = f"...{record.exc_text[-LONGEST:]}"  # the end names the error


def _is_refusal(error: BaseException | None) -> bool:
    # Superset's own errors have a status. The operator wants to know about all but 403.
    return (error.code or 500) < 500 if isinstance(error, HTTPException) else getattr(error, "status", None) == 403


def install(log: logging.Logger) -> None:
    """Limits the output of all handlers of a log together."""
    bound = Bound()
    for handler in log.handlers:
        handler.addFilter(bound)
