"""The state of a warehouse: loaded and missing dates, its lag, waiting rows, findings."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

ERROR, WARN = "error", "warn"
# Of monitoring tools: good, a warning, an error.
EXIT_CODES = {None: 0, WARN: 1, ERROR: 2}
DONE, FAILED, MISSING, RUNNING, LATER, UNDER_WAY = "done", "failed", "missing", "running", "by later", "under way"


@dataclass(frozen=True)
class Finding:
    """A finding that needs attention: its severity, a description, and the next step."""

    severity: str
    what: str
    do: str


@dataclass(frozen=True)
class Run:
    """The newest run of a task for a date; `table` is empty if the task has no table."""

    date: dt.date
    task: str
    table: str
    status: str
    finished: dt.datetime
    error: str | None
    rows: int
    seconds: float

    @property
    def name(self) -> str:
        """The task with its table."""
        return f"{self.task}({self.table})" if self.table else self.task


@dataclass(frozen=True)
class Day:
    """A date: the state of each layer, how many of its tasks are not done, rows written to dwh, seconds."""

    date: dt.date
    layers: dict[str, str]
    open: dict[str, int]
    rows: int
    seconds: float
    failed: list[Run]


@dataclass(frozen=True)
class Watermark:
    """How far a stage table has all changes of its source."""

    table: str
    loaded_to: dt.datetime
    lag_hours: float


@dataclass(frozen=True)
class Queue:
    """Rows of a fact that wait for a row of a dimension, and for how many hours the oldest does.

    `recent_rows` are those of them that have not waited for longer than an alarm is of use, with the age of the oldest.
    """

    fact: str
    dimension: str
    rows: int
    oldest_hours: float
    recent_rows: int
    oldest_recent_hours: float


@dataclass(frozen=True)
class Rejected:
    """Input rows that could not be loaded."""

    source: str
    date: dt.date
    reason: str
    rows: int


@dataclass(frozen=True)
class Unread:
    """Files in a folder of vendors that no load reads: why, how many, and the first names."""

    folder: str
    reason: str
    files: int
    names: str


@dataclass(frozen=True)
class Deletion:
    """Rows that a comparison with the source marked as deleted."""

    date: dt.date
    table: str
    rows: int

    def __str__(self) -> str:
        return f"{self.date}: {self.rows:,} rows of {self.table} were marked as deleted"


@dataclass(frozen=True)
class Compared:
    """A source table in which the newest comparison found differences, and how many rows."""

    date: dt.date
    table: str
    rows: int


@dataclass(frozen=True)
class Check:
    """The result of the newest run of a check."""

    name: str
    severity: str
    date: dt.date
    checked_ts: dt.datetime
    failures: int


@dataclass(frozen=True)
class WholePass:
    """When a check last passed on the whole warehouse (kind check), or a source table was like stage (comparison).

    `date` is that of the load; None if it was never so, or never looked at.
    """

    kind: str
    name: str
    date: dt.date | None
    passed_ts: dt.datetime | None


@dataclass(frozen=True)
class Slot:
    """The replication slot through which changes come from the source's log.

    The source keeps `kept_bytes` of its log for it; nobody has read for `idle_minutes`, where the server says so.
    """

    name: str
    exists: bool
    wal_status: str | None
    kept_bytes: int
    idle_minutes: float | None


@dataclass(frozen=True)
class Following:
    """The last round of `follow`, and how many rounds of its date there were, and how many of them failed."""

    every: float
    date: dt.date
    begun: dt.datetime
    ended: dt.datetime
    is_done: bool
    rounds: int
    failed: int


@dataclass
class Status:
    """The state of a warehouse. Without days it is empty: nothing was ever loaded.

    `missing` are the dates that are over, never ran, and came with no later load.
    """

    days: list[Day] = field(default_factory=list)
    missing: list[dt.date] = field(default_factory=list)
    watermarks: list[Watermark] = field(default_factory=list)
    queue: list[Queue] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)
    differing: list[Compared] = field(default_factory=list)
    deletions: list[Deletion] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    passes: list[WholePass] = field(default_factory=list)
    following: Following | None = None
    slot: Slot | None = None
    findings: list[Finding] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """The same for machines; instants and dates are still to be written as text."""
        return asdict(self)


def worst_of(found: Iterable[Finding]) -> str | None:
    """The worst severity of some findings; None without any."""
    severities = {finding.severity for finding in found}
    return ERROR if ERROR in severities else WARN if severities else None
