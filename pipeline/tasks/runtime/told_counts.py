"""How many rows and bytes a run moved: a task tells its command, also from a process of its own."""

from dataclasses import asdict

import luigi

from pipeline.events.happenings import Counts
from pipeline.tasks.runtime.told_lines import ToldLines

_listening: list["ToldCounts"] = []  # of commands that run now; a task's process has those of its parent


class ToldCounts:
    """What tasks have told their command. If nobody reads for long, what a task moved is not known."""

    def __init__(self) -> None:
        self._lines = ToldLines()
        self._told: dict[str, Counts] = {}
        _listening.append(self)

    def tell(self, task: luigi.Task) -> None:
        """Tells of a task that ended."""
        counts = Counts(getattr(task, "rows", None), getattr(task, "bytes", None))
        self._lines.tell({"task": task.task_id, **asdict(counts)})

    def take(self, task_id: str) -> Counts:
        """What a task has told; nothing is known of one that has not."""
        for told in self._lines.read():
            self._told[told["task"]] = Counts(told["rows"], told["bytes"])
        return self._told.pop(task_id, Counts())

    def close(self) -> None:
        """Stops listening."""
        _listening.remove(self)
        self._lines.close()


@luigi.Task.event_handler(luigi.Event.SUCCESS)
def ended(task: luigi.Task) -> None:
    """Tells the innermost command of a task that ended, if it listens."""
    for counts in _listening[-1:]:
        counts.tell(task)
