"""Notes for OpenLineage when the runs of a command begin and end, if openlineage_url is set.

All events go out from the command's own process. A run in a process of its own only tells how much it moved.
"""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipeline.kernel import clock, config, http
from pipeline.kernel.errors import ConfigError, OceanError, reason
from pipeline.operations.outcome import BROKEN, DONE

if TYPE_CHECKING:
    from pipeline.events.delivery import Delivery
    from pipeline.events.happenings import Run, State
    from pipeline.tasks.runtime.told_counts import ToldCounts

logger = logging.getLogger("luigi-interface")


class EventLog:
    """The runs of one command. It asks for the setting when the first task begins; without it nothing is done."""

    def __init__(self) -> None:
        self._is_asked = False
        self._delivery: Delivery | None = None
        self._counts: ToldCounts | None = None
        self._main: tuple[str, str, Mapping[str, str]] | None = None
        self._parent: Run | None = None
        self._open: dict[str, Run] = {}  # by task id

    def name_main(self, task_id: str, family: str, parameters: Mapping[str, str]) -> None:
        """Takes the first task that a command names for its main one, whose run lasts as long as the command."""
        self._main = self._main or (task_id, family, parameters)

    def begin(self, task_id: str, family: str, parameters: Mapping[str, str]) -> None:
        """Notes that a task is about to run. One that goes on, after tasks that it asked for meanwhile, has begun."""
        if not self._is_asked:
            self._is_asked = True
            self._listen()
        if self._delivery is None:
            return
        if self._main and not self._parent:
            self._parent = self._begun(*self._main)
        if task_id not in self._open:
            self._begun(task_id, family, parameters)

    def note(self, task_id: str, state: str, error: str | None) -> None:
        """Notes the state of a task after its run. One that held its error back has failed."""
        from_state = {DONE: "COMPLETE", **dict.fromkeys(BROKEN, "FAIL")}
        if task_id in self._open and state in from_state:
            self._ended(task_id, "FAIL" if error else from_state[state], error or "")

    def abort(self, task_id: str, error: OceanError) -> None:
        """Notes that a task's run ends with its command."""
        if task_id in self._open:
            self._ended(task_id, "ABORT", str(error))

    def close(self, failure: str, *, is_cut_short: bool) -> None:
        """Ends what is still open, and waits a moment for the last events.

        A main task that never ran failed with the first `failure`. A second call does nothing.
        """
        if self._delivery is None or self._counts is None:
            return
        delivery, counts = self._delivery, self._counts
        for task_id, run in [*self._open.items()][::-1]:
            has_failed = run is self._parent and failure and not is_cut_short
            self._ended(task_id, "FAIL" if has_failed else "ABORT", failure if has_failed else "")
        self._delivery = self._counts = None
        counts.close()
        try:
            delivery.close()
        except OceanError as problem:
            logger.warning("%s", problem)

    def _listen(self) -> None:
        try:
            if url := config.openlineage_url():
                self._delivery, self._counts = _opened(url)
        except Exception as error:  # no reason to fail a load; another library's words might show the URL
            logger.warning("no events of OpenLineage are sent: %s", reason(error))

    def _begun(self, task_id: str, family: str, parameters: Mapping[str, str]) -> "Run":
        from pipeline.events.happenings import Run, State
        from pipeline.events.run_events import new_id

        is_main = self._main is not None and task_id == self._main[0]
        run = self._open[task_id] = Run(new_id(), family, parameters, None if is_main else self._parent)
        self._send(State.START, run)
        return run

    def _ended(self, task_id: str, state: str, error: str) -> None:
        from pipeline.events.happenings import State

        self._send(State[state], self._open.pop(task_id), error, task_id)

    def _send(self, state: "State", run: "Run", error: str = "", task_id: str = "") -> None:
        from pipeline.events.happenings import Happening

        if self._delivery and self._counts:
            self._delivery.send(Happening(state, run, clock.now(), error, self._counts.take(task_id)))


def _opened(url: str) -> "tuple[Delivery, ToldCounts]":
    """What sends events, and what hears of rows. Raises ConfigError, and LineageUnknown."""
    try:
        from pipeline.events import run_events
    except ModuleNotFoundError as missing:
        raise ConfigError(
            "write events of OpenLineage",
            f"{missing.name} is not installed",
            "install the extra `events` (`.venv/bin/pip install -e '.[events]'`), or leave openlineage_url empty",
        ) from None
    where = http.parsed(url)
    if where is None:
        raise ConfigError(
            "post events of OpenLineage to openlineage_url",
            "it is no URL of HTTP",
            "correct OCEAN_OPENLINEAGE_URL; special characters of a user or a password are written %XX",
        )
    from pipeline.events.delivery import Delivery
    from pipeline.tasks.runtime.told_counts import ToldCounts

    run_events.prepare()
    return Delivery(where, run_events.Writer(config.settings()).json), ToldCounts()
