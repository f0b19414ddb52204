"""The outcome of the tasks of one command: the failed ones, in order, and those that did not run because of them."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

# States as Luigi calls them. UNKNOWN: its complete() or requires() failed.
PENDING, DONE, BROKEN = "PENDING", "DONE", ("FAILED", "UNKNOWN", "DISABLED")
DAILY = "DailyWarehouseLoad"


@dataclass
class Task:
    """A task by its name, with the ids of the tasks that it needs, and the reason of its failure."""

    family: str
    date: str
    name: str
    state: str = ""
    needs: set[str] = field(default_factory=set)
    was_pending: bool = False
    error: str = ""


@dataclass
class Outcome:
    """The tasks of a command by their ids, as known so far; `command` runs it again, if that is known."""

    command: str
    tasks: dict[str, Task] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    cut_short: str = ""
    began: float = field(default_factory=time.monotonic)

    def note(self, task_id: str, task: Task, state: str, needs: Iterable[str], error: str | None) -> None:
        """Notes the state of a task. A task with an error failed, even if it held the error back and is done."""
        task = self.tasks.setdefault(task_id, task)
        task.state = state
        task.was_pending |= state == PENDING
        task.needs |= set(needs)
        if task_id in self.failures:
            self.failures.remove(task_id)
        if error or state in BROKEN:
            task.error = error or "no reason was given"
            self.failures.append(task_id)

    @property
    def failed(self) -> list[Task]:
        """The tasks that failed, the first one first."""
        return [self.tasks[task_id] for task_id in self.failures]

    @property
    def done(self) -> list[Task]:
        """The tasks that were run, and are done."""
        return [
            task
            for task_id, task in self.tasks.items()
            if task.state == DONE and task.was_pending and task_id not in self.failures
        ]

    @property
    def not_run(self) -> list[Task]:
        """The tasks that were to run and did not, the main one last."""
        return [task for task in reversed(self.tasks.values()) if task.state == PENDING]

    @property
    def kept_by_first(self) -> list[Task]:
        """The tasks that need the first failed one, directly or not."""
        waiting, new = set(), set(self.failures[:1])
        while new:
            waiting |= new
            new = {task_id for task_id, task in self.tasks.items() if task.needs & new} - waiting
        return [task for task_id, task in reversed(self.tasks.items()) if task_id in waiting and task.state == PENDING]

    @property
    def loads(self) -> list[Task]:
        """The daily loads among the tasks."""
        return [task for task in self.tasks.values() if task.family == DAILY]

    @property
    def seconds(self) -> float:
        """How long the command has been running."""
        return time.monotonic() - self.began
