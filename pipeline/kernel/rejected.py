"""An input row that cannot be loaded: its place, the reason, and its text as PostgreSQL can keep it."""

from dataclasses import dataclass, field
from typing import NamedTuple

from pipeline.kernel.errors import TooManyRejected

ANY = "OCEAN_MAX_REJECTED=1"  # lets a command load what is left of any input
LONGEST = 10_000  # characters of a rejected row that are kept
MOST_COUNTED = 1 << 20  # bytes; the length of a longer row is given as "more than" this
# Of a date, whatever share of its rows they are: they are kept in memory until the date is read.
MOST_ROWS, MOST_CHARACTERS = 100_000, 64 << 20


@dataclass(frozen=True)
class Allowance:
    """How many rows of an input may be rejected before its load fails: a share of them, or a number if that is more.

    >>> Allowance(0.01, 10).allows(10, of=10), Allowance(0.01, 10).allows(11, of=1000)
    (True, False)
    >>> Allowance(0.01, 0).allows(1, of=100), Allowance(1, 0).allows(7, of=7)
    (True, True)
    """

    share: float
    rows: int

    def allows(self, rejected: int, of: int) -> bool:
        """Whether a load may go on without so many rows of all."""
        return rejected <= self.most(of)

    def most(self, of: int) -> int:
        """How many of so many rows may be rejected."""
        return max(self.rows, int(self.share * of))


class Fault(NamedTuple):
    """What is wrong with a row: the `reason`, the `rule` that it breaks, and the `fix` in words for its vendor.

    Of a single value `column` and `value` say which; a long one is cut.
    """

    reason: str
    rule: str
    fix: str
    column: str = ""
    value: str = ""


class Unfit(ValueError):
    """A row or value that breaks a rule; its text is the reason."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.reason)
        self.fault = fault


@dataclass(frozen=True)
class Rejected:
    """One rejected row. `line` counts from 1: the physical line on which the row begins, or its place in a list.

    `fault` says more of the reason, for rows of vendors.
    """

    file: str
    line: int
    reason: str
    row: str
    fault: Fault | None = field(default=None, compare=False, repr=False)

    @property
    def record(self) -> dict[str, str | int]:
        """What is kept of it: all but the fault."""
        return {"file": self.file, "line": self.line, "reason": self.reason, "row": self.row}


class Rejections(list[Rejected]):
    """The rejected rows of a date of a feed; `append` raises TooManyRejected beyond what memory is given for them."""

    def __init__(self, feed: str, date: object) -> None:
        super().__init__()
        self.of, self.characters = f"{feed} of {date}", 0

    def append(self, rejected: Rejected, /) -> None:
        """Takes one more."""
        super().append(rejected)
        self.characters += len(rejected.row)
        if len(self) > MOST_ROWS or self.characters > MOST_CHARACTERS:
            raise TooManyRejected(
                f"load {self.of}",
                f"of the rows that were read so far {len(self):,} cannot be kept, and no date may have more "
                f"({self[0].reason})",
                f"have {self[0].file} delivered again",
            )


def storable(raw: bytes) -> str:
    r"""The bytes of a row as text that PostgreSQL takes: bytes that are no UTF-8 as \xNN, NUL as \x00.

    A row of more than LONGEST characters is cut, and a note says how long it was.

    >>> storable(b"7,caf\xc3\xa9 caf\xe9\x00")
    '7,café caf\\xe9\\x00'
    >>> storable(b"x" * 10_001)[9_998:]
    'xx… (cut: 10,001 bytes in all)'
    """
    text = raw.decode("utf-8", "backslashreplace").replace("\0", r"\x00")
    if len(text) <= LONGEST:
        return text
    length = f"{len(raw):,}" if len(raw) <= MOST_COUNTED else f"more than {MOST_COUNTED:,}"
    return f"{text[:LONGEST]}… (cut: {length} bytes in all)"
