"""What luigid has seen run, for its page /history, written by the batch."""

import atexit
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from luigi.db_task_history import DbTaskHistory
from sqlalchemy.orm import Session
from tornado.ioloop import IOLoop

logger = logging.getLogger("luigi-interface")

SECONDS = 1.0  # that an event waits for others


class BatchedHistory(DbTaskHistory):
    """Luigi's history in a database, where the events of a second are one transaction.

    Luigi commits each event before it answers the worker, and a task has three. A luigid that is killed forgets the
    last second, as it forgets its queue; what was loaded is known from the markers.
    """

    def __init__(self) -> None:
        super().__init__()
        self._waiting: list[tuple[Any, Any]] = []
        self._batch: Session | None = None
        atexit.register(self.write)

    def write(self) -> None:
        """Writes the events that wait. An error is logged, and they are dropped, as Luigi does with a single one."""
        waiting, self._waiting = self._waiting, []
        new = [task for task, _ in waiting if task.record_id is None]
        session = self._batch = self.session_factory()
        try:
            for task, event in waiting:
                super()._add_task_event(task, event)
            session.commit()
        except Exception:
            session.rollback()
            for task in new:  # else its next event would go to the record that gets this number then
                task.record_id = None
            logger.warning("Cannot write the history of %s events", len(waiting), exc_info=True)
        finally:
            self._batch = None
            session.close()

    def _add_task_event(self, task: Any, event: Any) -> None:
        """Keeps an event, which has its time already."""
        if not self._waiting:
            IOLoop.current().call_later(SECONDS, self.write)
        self._waiting.append((task, event))

    @contextmanager
    def _session(self, session: Session | None = None) -> Iterator[Session]:
        """The session of the batch as it is written; for a page a session that sees all events so far."""
        if self._batch:
            yield self._batch
            self._batch.flush()  # gives a new task its record_id
            return
        if self._waiting:
            self.write()
        with super()._session(session) as found:
            yield found
