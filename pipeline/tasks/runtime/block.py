"""What the live block shows: tasks done of those known, and of each running task how far it is, how fast, how long yet.

It knows nothing of Luigi or the terminal: it is told what happened, and gives lines.
"""

import io
import time
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pipeline.kernel.errors import printable

NARROW = 80  # columns, below which there is room for a task's name and numbers alone


class Said(NamedTuple):
    """A task's message: how far it is in percent or in rows, if it tells, at a monotonic time."""

    at: float
    message: str
    percentage: float | None = None
    rows: int | None = None
    of: int | None = None

    @property
    def share(self) -> float | None:
        """How far the task is, from 0 to 1; None if it does not tell."""
        if self.percentage is not None:
            return min(self.percentage / 100, 1.0)
        return min(self.rows / self.of, 1.0) if self.rows is not None and self.of else None


class Command(NamedTuple):
    """How far a command of Luigi is: the number of its tasks, and the running ones, each with name and begin."""

    known: int
    done: int
    failed: int
    running: dict[str, tuple[str, float]]


@dataclass
class Block:
    """The state of all commands that are shown together: one, and those that its tasks run."""

    began: float
    commands: dict[str, Command] = field(default_factory=dict)
    said: dict[str, Said] = field(default_factory=dict)
    _first: dict[str, Said] = field(default_factory=dict)  # from which on speed is measured

    def note(self, event: list[Any]) -> None:
        """Notes what a process tells: the state of a command, its end, or a message of a task."""
        match event:
            case ["command", key, None]:
                self.commands.pop(key, None)
            case ["command", key, state]:
                self.commands[key] = Command(*state)
            case ["said", task_id, *said]:
                new, old = Said(*said), self.said.get(task_id)
                is_back = old and ((new.share or 0) < (old.share or 0) or (new.rows or 0) < (old.rows or 0))
                if not old or is_back or (old.share is None and old.rows is None):
                    self._first[task_id] = new
                self.said[task_id] = new

    def lines(self, width: int, height: int, now: float) -> list[str]:
        """The block for a terminal: at most `height` lines, none as wide as the terminal, which would wrap it."""
        # Rich costs a twentieth of a second, which a command without a block need not wait.
        from rich.console import Console

        console = Console(file=io.StringIO(), width=width - 1, force_terminal=True, color_system="standard")
        running = [item for command in self.commands.values() for item in command.running.items()]
        shown = running[: max(height - 2, 0)]
        with console.capture() as captured:
            console.print(self._head(now, len(running) - len(shown)), no_wrap=True, overflow="ellipsis", crop=True)
            if shown:
                console.print(self._table(shown, now, is_narrow=width < NARROW))
        return [line.rstrip() for line in captured.get().splitlines()][:height]

    def _head(self, now: float, hidden: int) -> Any:
        from rich.text import Text

        known, done, failed = (
            sum(counts) for counts in zip(*(each[:3] for each in self.commands.values()), strict=True)
        )
        parts = [f"{done} of {known} tasks done"] if known else []
        parts += [f"{failed} failed"] if failed else []
        parts += [f"{hidden} more running"] if hidden else []
        return Text(", ".join([*parts, duration(now - self.began)]), style="red" if failed else "bold")

    def _table(self, running: list[tuple[str, tuple[str, float]]], now: float, *, is_narrow: bool) -> Any:
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2, 0, 0), expand=True)
        table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
        if not is_narrow:
            table.add_column(width=12)
        table.add_column(no_wrap=True, justify="right", width=5)
        if not is_narrow:
            table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
            table.add_column(no_wrap=True, justify="right")
        table.add_column(no_wrap=True, justify="right")
        for task_id, (name, since) in running:
            said = self.said.get(task_id)
            share = said.share if said else None
            bar = ProgressBar(1, share, width=12) if share is not None else ""
            percent = f"{share:4.0%}" if share is not None else ""
            message, rate = Text(said.message if said else ""), _per_second(self._rate(task_id))
            left = self._left(task_id, now)
            time_told = f"{duration(left)} left" if left is not None else duration(now - since)
            cells = (
                [Text(name), percent, time_told] if is_narrow else [Text(name), bar, percent, message, rate, time_told]
            )
            table.add_row(*cells)
        return table

    def _rate(self, task_id: str) -> float | None:
        """Rows a second."""
        said, first = self.said.get(task_id), self._first.get(task_id)
        if not said or not first or said.rows is None or first.rows is None or said.at <= first.at:
            return None
        return (said.rows - first.rows) / (said.at - first.at)

    def _left(self, task_id: str, now: float) -> float | None:
        """Seconds to the end of a task as fast as it was; None if that is not known."""
        said, first = self.said.get(task_id), self._first.get(task_id)
        if not said or not first or said.share is None or first.share is None or said.share <= first.share:
            return None
        speed = (said.share - first.share) / (said.at - first.at)
        return max((1 - said.share) / speed - (now - said.at), 0.0)


def said(message: str, percentage: float | None, rows: int | None, of: int | None) -> Said:
    """A message of now as one line that does no more than show itself."""
    return Said(time.monotonic(), printable(message)[:300], percentage, rows, of)


def duration(seconds: float) -> str:
    """Minutes and seconds, hours too where there are any.

    >>> duration(75), duration(3675)
    ('1:15', '1:01:15')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _per_second(rate: float | None) -> str:
    return f"{rate:,.0f} rows/s" if rate else ""
