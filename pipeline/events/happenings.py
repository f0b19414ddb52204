"""What happens to the run of a task, as a command notes it: plain values, from which an event is written later."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pipeline.catalog import TASKS


class State(StrEnum):
    """What became of a run, by OpenLineage's names. ABORT: its command ended first."""

    START = "START"
    COMPLETE = "COMPLETE"
    FAIL = "FAIL"
    ABORT = "ABORT"


@dataclass(frozen=True)
class Run:
    """A run of a task: `id` is a UUID, `parameters` are the task's, `parent` is the run of its command's main task."""

    id: str
    family: str
    parameters: Mapping[str, str]
    parent: "Run | None" = None

    @property
    def target(self) -> str:
        """The table or feed that its parameters name, or that the catalogue knows for it; empty without one."""
        named = self.parameters.get("table") or self.parameters.get("feed")
        return named or (TASKS[self.family].table if self.family in TASKS else "")

    @property
    def job(self) -> str:
        """The name of its job, the same on all dates.

        >>> Run("", "LoadFact", {"table": "fact_order"}).job, Run("", "CheckWarehouse", {}).job
        ('LoadFact.fact_order', 'CheckWarehouse')
        """
        return ".".join(filter(None, (self.family, self.target)))


@dataclass(frozen=True)
class Counts:
    """How many rows, and bytes on the lake, a run has moved; None where it does not count them."""

    rows: int | None = None
    bytes: int | None = None


@dataclass(frozen=True)
class Happening:
    """A run began or ended at an instant. `error` is the pipeline's own text of why it failed, else empty."""

    state: State
    run: Run
    at: dt.datetime
    error: str = ""
    counts: Counts = field(default_factory=Counts)
