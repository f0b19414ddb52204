"""The live block of a command on a terminal, from its begin to its end. Elsewhere nothing is shown or noted.

Tasks that run in processes of their own tell it what they do: no load waits.
"""

import contextlib
import functools
import os
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import luigi
from luigi.scheduler import DISABLED, DONE, FAILED, UNKNOWN

from pipeline.kernel.terminal import can_draw
from pipeline.tasks.runtime.above import Screen, above
from pipeline.tasks.runtime.block import Block, said
from pipeline.tasks.runtime.told_lines import ToldLines

SECONDS_BEFORE = 2.0  # what is over by then needs no block
SECONDS_BETWEEN = 0.25


class Live:
    """A block on the terminal, and the thread that draws it."""

    def __init__(self, terminal: int) -> None:
        self._screen, self._block = Screen(terminal), Block(time.monotonic())
        self._events: deque[list[Any]] = deque()  # of this process
        self._told = ToldLines()  # of the others
        self._pid = os.getpid()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="progress", daemon=True)

    def tell(self, event: list[Any]) -> None:
        """Notes an event of this process, or of one that it was forked from."""
        if os.getpid() == self._pid:
            self._events.append(event)
        else:
            self._told.tell(event)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Draws the block while the block of code runs. A debugger ends it, because it asks on the terminal."""
        hook = sys.breakpointhook
        sys.breakpointhook = functools.partial(self._debug, hook)
        with above(self._screen):
            self._thread.start()
            try:
                yield
            finally:
                self.end()
                self._thread.join()
                sys.breakpointhook = hook
                self._told.close()

    def end(self) -> None:
        """Removes the block for good. Any thread may call it."""
        with _drawing:
            self._ended.set()
            self._screen.erase()

    def _debug(self, hook: Any, *words: Any, **named: Any) -> Any:
        if os.getpid() == self._pid:
            self.end()
        return hook(*words, **named)

    def _run(self) -> None:
        wait = SECONDS_BEFORE
        while not self._ended.wait(wait):
            wait = SECONDS_BETWEEN
            with _drawing:
                if not self._ended.is_set():
                    self._draw()

    def _draw(self) -> None:
        while self._events:
            self._block.note(self._events.popleft())
        for event in self._told.read():
            self._block.note(event)
        with contextlib.suppress(OSError):  # the terminal is gone
            size = self._screen.size
            if self._block.commands:
                self._screen.draw(self._block.lines(size.columns, size.lines - 1, time.monotonic()))


_live: Live | None = None  # of this process, or of the one that it was forked from
_drawing = threading.Lock()
# A process that is forked while the block is drawn would inherit locks that nobody opens, such as that of an import.
os.register_at_fork(before=_drawing.acquire, after_in_parent=_drawing.release, after_in_child=_drawing.release)


@contextmanager
def shown() -> Iterator[None]:
    """Shows the block while the block of code runs, if stderr is a terminal that can. Within another one, does nothing.

    TERM=dumb switches it off, NO_COLOR its colours. It needs Rich, of the extra `terminal`.
    """
    global _live
    if _live or not can_draw(sys.stderr):
        yield
        return
    _live = Live(sys.stderr.fileno())
    try:
        with _live.shown():
            yield
    finally:
        _live = None


def end() -> None:
    """Removes the block at once, before a process ends without leaving `shown`."""
    if _live:
        _live.end()


def say(task: luigi.Task, message: str, percentage: float | None, rows: int | None, of: int | None) -> None:
    """Shows a task's message, if there is a block."""
    if _live:
        _live.tell(["said", task.task_id, *said(message, percentage, rows, of)])


class Counted:
    """The tasks of a command, or the steps of a program, as the block counts them."""

    def __init__(self) -> None:
        self._key = f"{os.getpid()}-{id(self)}"
        self._states: dict[str, str] = {}
        self._counts: Counter[str] = Counter()
        self._running: dict[str, tuple[str, float]] = {}

    def begin(self, task_id: str, name: str) -> None:
        """Counts a task as running."""
        self._running[task_id] = (name, time.monotonic())
        self._tell()

    def note(self, task_id: str, state: str) -> None:
        """Notes Luigi's state of a task that does not run, or does no more."""
        self._running.pop(task_id, None)
        self._counts[self._states.get(task_id, "")] -= 1
        self._states[task_id] = state
        self._counts[state] += 1
        self._tell()

    def end(self) -> None:
        """Takes the command out of the block."""
        if _live:
            _live.tell(["command", self._key, None])

    def _tell(self) -> None:
        if _live:
            failed = sum(self._counts[state] for state in (FAILED, DISABLED, UNKNOWN))
            _live.tell(["command", self._key, [len(self._states), self._counts[DONE], failed, dict(self._running)]])


@contextmanager
def step(name: str) -> Iterator[None]:
    """Shows a step of a program with its time while the block of code runs."""
    with shown():
        counted = Counted()
        counted.begin(name, name)
        try:
            yield
        finally:
            counted.end()
