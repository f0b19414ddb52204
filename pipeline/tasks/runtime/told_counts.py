"""How many rows and bytes a run moved: a task tells its command, also from a process of its own."""

import contextlib
import json
import os
from dataclasses import asdict

import luigi

from pipeline.events.happenings import Counts

_listening: list["ToldCounts"] = []  # of commands that run now; a task's process has those of its parent


class ToldCounts:
    """A pipe that tasks write to and their command reads. Neither ever waits for the other."""

    def __init__(self) -> None:
        self._reads, self._writes = os.pipe()
        os.set_blocking(self._reads, False)
        os.set_blocking(self._writes, False)
        self._told: dict[str, Counts] = {}
        _listening.append(self)

    def tell(self, task: luigi.Task) -> None:
        """Tells of a task that ended. If nobody reads for long, what it moved is not known."""
        counts = Counts(getattr(task, "rows", None), getattr(task, "bytes", None))
        line = json.dumps({"task": task.task_id, **asdict(counts)}) + "\n"
        with contextlib.suppress(BlockingIOError):
            os.write(self._writes, line.encode())  # so short a line is written whole or not at all

    def take(self, task_id: str) -> Counts:
        """What a task has told; nothing is known of one that has not."""
        with contextlib.suppress(BlockingIOError):
            while lines := os.read(self._reads, 1 << 16):
                for told in map(json.loads, lines.splitlines()):
                    self._told[told["task"]] = Counts(told["rows"], told["bytes"])
        return self._told.pop(task_id, Counts())

    def close(self) -> None:
        """Stops listening."""
        _listening.remove(self)
        os.close(self._reads)
        os.close(self._writes)


@luigi.Task.event_handler(luigi.Event.SUCCESS)
def ended(task: luigi.Task) -> None:
    """Tells the innermost command of a task that ended, if it listens."""
    for counts in _listening[-1:]:
        counts.tell(task)
