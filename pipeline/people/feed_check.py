"""What a load would keep of a file of a vendor, or of an answer of the risk-score service; nothing is loaded."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from pipeline.feeds import landing
from pipeline.feeds.unpacking import unpacked
from pipeline.feeds.unread import FUTURE, LANDING, TWIN, last_day
from pipeline.feeds.vendor_csv import read_csv
from pipeline.kernel import clock
from pipeline.kernel.declaration import declared
from pipeline.kernel.errors import BadAnswer, BadExtract, BadHeader, NotFound, OceanError, printable
from pipeline.kernel.rejected import Allowance, Rejected, Rejections
from pipeline.kernel.settings import Settings
from pipeline.kernel.streams import Readable
from pipeline.lake.objects import Object
from pipeline.people.header_faults import Difference, differences, foreign, likeness, names_of
from pipeline.people.records import MASK
from pipeline.vendors.contracts import Contract
from pipeline.vendors.declared_feeds import CONTRACTS

HEAD = 1 << 16  # bytes by which a file is known
MOST_SHOWN = 3  # problems of a kind
LONGEST_VALUE = 60  # characters of a value that are shown
ALIKE = 0.5  # the header of a file has more than this share of the columns of its feed


@dataclass(frozen=True)
class Problem:
    """A row that is rejected: its line as in etl.rejected_row, and why. Without a column `value` is the row."""

    line: int
    column: str
    value: str
    reason: str
    rule: str
    fix: str


@dataclass
class Kind:
    """The rows that are rejected for one reason: how many, and the line of the first."""

    reason: str
    first_line: int
    rows: int = 0


@dataclass
class Checked:
    """What became of a file: rows, problems, and why it is `refused` as a whole, empty if it is not."""

    file: str
    contract: Contract | None
    rows: int = 0
    rejected: int = 0
    problems: list[Problem] = field(default_factory=list)
    kinds: list[Kind] = field(default_factory=list)
    refused: str = ""
    differences: list[Difference] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def kept(self) -> int:
        """How many rows the load would keep."""
        return self.rows - self.rejected


def check(path: Path, feed: str | None, *, personal: bool) -> Checked:
    """Reads a file as the load of its feed does: `feed`, or else that of its folder, its header, its JSON list.

    `personal` shows values that tell of a person. Reads all of the file, with flat memory, and writes nothing.

    Raises NotFound for a file that cannot be read, an unknown feed, or a file that is of no feed by its header.
    """
    below = _below_landing(path)
    known = feed or (below[0] if below else None)
    if known is not None and known not in CONTRACTS:
        raise NotFound(f"check a file of {known}", "there is no such feed", f"name one of {', '.join(CONTRACTS)}")
    try:
        head, broken = _head(path)
        contract = CONTRACTS[known] if known else None if broken and not head else _by_contents(head)
        found = Checked(path.name, contract)
        if contract:
            _read(found, contract, path, head, personal=personal)
        else:
            other = BadExtract(f"read {path.name}", "it is no CSV and no JSON list", "have it delivered again")
            found.refused = str(broken or other)
            found.differences = list(filter(None, [foreign(head)]))
    except OSError as error:
        raise NotFound(f"read {path}", error.strerror or "of its disk", "name a file that you may read") from None
    found.warnings += [*_unread(path, contract, below), *_too_many(found)]
    return found


def _plain(path: Path, file: IO[bytes]) -> Readable:
    """The bytes of a file, unpacked as the load does it."""
    return unpacked(path.name, path.stat().st_size, file)


def _head(path: Path) -> tuple[bytes, OceanError | None]:
    """The first bytes of a file, unpacked, and why there are no more, if it cannot be unpacked."""
    if path.exists() and not path.is_file():  # a pipe could not be read twice
        raise NotFound(f"read {path}", "it is no file", "name a file")
    head = b""
    with path.open("rb") as file:
        source = _plain(path, file)
        try:
            while len(head) < HEAD and (data := source.read(HEAD)):
                head += data
        except OceanError as error:
            return head, error
    return head, None


def _by_contents(head: bytes) -> Contract | None:
    """The contract that the first bytes of a file are of; None for what is neither CSV nor JSON."""
    text = head.decode(json.detect_encoding(head), "replace").lstrip("\ufeff \t\r\n")
    if text[:1] in ("[", "{"):
        return next(each for each in CONTRACTS.values() if each.form == "json")
    files = [each for each in CONTRACTS.values() if each.form == "csv"]
    # What is in UTF-16 is known too, and refused.
    _, names = names_of(text.encode("utf-8", "replace"))
    best = max(files, key=lambda each: likeness(each.feed, names))
    if likeness(best.feed, names) > ALIKE:
        return best
    if foreign(head):
        return None
    headers = ", ".join(f"{name} ({each.feed.header})" for name, each in CONTRACTS.items())
    raise NotFound("tell of which feed the file is", "its first line is no header", f"name it with --feed: {headers}")


def _read(found: Checked, contract: Contract, path: Path, head: bytes, *, personal: bool) -> None:
    """Counts the rows and takes note of the rejected ones, as many as a load takes."""
    rejected = Rejections(contract.feed.name, "this file")
    try:
        with path.open("rb") as file:
            for each in _records(contract, path, file):
                found.rows += 1
                if isinstance(each, Rejected):
                    rejected.append(each)
    except BadHeader as error:
        found.refused, found.differences = str(error), differences(contract.feed, head)
    except OceanError as error:
        found.refused = str(error)
    found.rejected = len(rejected)
    found.problems, found.kinds = _shown(contract, rejected, personal=personal)


def _records(contract: Contract, path: Path, file: IO[bytes]) -> Iterator[object]:
    """The rows or entries of a file, and the rejected ones, as the load gets them."""
    if contract.form == "csv":
        yield from read_csv(contract.feed, path.name, _plain(path, file))
        return
    from pipeline.feeds import risk_api  # imports pydantic

    answer = file.read(risk_api.LONGEST_ANSWER + 1)
    if len(answer) > risk_api.LONGEST_ANSWER:
        because = f"it is longer than {risk_api.LONGEST_ANSWER:,} bytes"
        raise BadAnswer(f"read {path.name}", because, "have the service answer with one entry for each customer")
    yield from risk_api.entries(answer, path.name)


def _shown(contract: Contract, rejected: Iterable[Rejected], *, personal: bool) -> tuple[list[Problem], list[Kind]]:
    """The first problems of each kind in the order of their lines, and the kinds."""
    problems, kinds = [], dict[str, Kind]()
    for each in rejected:
        # Rows with too few columns are of one kind, whatever their number is.
        reason = each.reason.partition(":")[0]
        kind = kinds.setdefault(reason, Kind(reason, each.line))
        kind.rows += 1
        if kind.rows <= MOST_SHOWN and (fault := each.fault):
            is_hidden = not personal and (fault.column in contract.feed.personal or not fault.column)
            text = fault.value if fault.column else each.row
            hidden = is_hidden and bool(contract.feed.personal) and bool(text)
            value = MASK if hidden else _cut(text)
            problems.append(Problem(each.line, fault.column, value, each.reason, fault.rule, fault.fix))
    return problems, list(kinds.values())


def _cut(text: str) -> str:
    """A text of a vendor as it may be shown: cut first, for one character may be shown as ten."""
    shown = printable(text[:LONGEST_VALUE])[:LONGEST_VALUE]
    return f"{shown}…" if len(text) > LONGEST_VALUE else shown


def _below_landing(path: Path) -> tuple[str, str] | None:
    """The feed of a file in its folder of the lake, or of a copy, and its path there."""
    parts = path.absolute().parts
    for place, part in enumerate(parts[:-2]):
        if part == LANDING and parts[place + 1] in CONTRACTS:
            return parts[place + 1], "/".join(parts[place + 2 :])
    return None


def _unread(path: Path, contract: Contract | None, below: tuple[str, str] | None) -> Iterator[str]:
    """Why the load would not read the file, by its name and folder."""
    if contract and contract.form == "json":
        return
    if not landing.FILE_NAME.fullmatch(path.name):
        yield f"the load does not read it: {landing.MISNAMED}"
        return
    date = landing.date_or_reason(below[1] if below else f"date={clock.today()}/{path.name}")
    if isinstance(date, str):
        yield f"the load does not read it: {date}"
    elif date > last_day(clock.today()):
        yield f"the load does not read it yet: {FUTURE}"
    elif below and _is_twin(path):
        yield f"the load does not read it: {TWIN}"
    elif not below and contract:
        yield f"deliver it as {landing.folder(contract.feed)}/date=YYYY-MM-DD/{path.name}, with the day that it is of"


def _is_twin(path: Path) -> bool:
    beside = [Object(each.name, 1, clock.now()) for each in path.parent.iterdir() if landing.CSV.fullmatch(each.name)]
    return any(each.key == path.name for each in landing.twins_of(beside))


def _too_many(found: Checked) -> Iterator[str]:
    """That the load would fail for the share of rejected rows, where the settings are the defaults."""
    settings = declared(Settings)
    share, rows = (settings[name] for name in ("max_rejected", "max_rejected_rows"))
    allowance = Allowance(share.parse(share.default), rows.parse(rows.default))
    if not allowance.allows(found.rejected, found.rows):
        most = f"more than {allowance.share:.0%} of its rows, and more than {allowance.rows}"
        yield f"unless {share.name} or {rows.name} is set higher, the load refuses a date of which {most}, are rejected"
