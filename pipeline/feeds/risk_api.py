"""The risk-score API: one GET that survives failures of the server, and the scores of its answer."""

import contextlib
import datetime as dt
import email.utils
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import tenacity
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.kernel import clock, listener, logins
from pipeline.kernel.errors import BadAnswer, ConfigError, ServiceDown
from pipeline.kernel.http import Again, HTTPResponse, Url, exchange, parsed, said
from pipeline.kernel.rejected import Fault, Rejected, Rejections, storable
from pipeline.vendors.declared_feeds import RISK_SCORES

LONGEST_ANSWER = 16 << 20  # bytes
# Signs that begin or end a value: at most as many values there are. An answer of that length has three for each score.
MOST_SIGNS, SIGNS = 1_500_000, (b",", b"{", b"[")
LONGEST_WAIT = 60.0  # seconds between attempts, whatever Retry-After says
BACKOFF = tenacity.wait_exponential(multiplier=0.5, max=30) + tenacity.wait_random(0, 0.5)
MOST_DIGITS = 4000  # of a number; Python reads a few hundred more
COLUMNS = {field.name: field for field in RISK_SCORES.fields}
CUSTOMER, SCORE = RISK_SCORES.fields
NO_OBJECT = Fault(
    "not a JSON object",
    f"an entry is an object of {CUSTOMER.name} and {SCORE.name}",
    f'write it as {{"{CUSTOMER.name}": 1, "{SCORE.name}": {SCORE.highest}}}',
)


class Score(BaseModel):
    """A customer's risk score, within the limits of the contract."""

    model_config = ConfigDict(strict=True, frozen=True)

    customer_id: int = Field(ge=CUSTOMER.lowest, le=CUSTOMER.highest)
    risk_score: int = Field(ge=SCORE.lowest, le=SCORE.highest)


def fetch(
    url: str,
    *,
    attempts: int = 5,
    connect: float = 2,
    read: float = 10,
    deadline: float = 60,
    longest: int = LONGEST_ANSWER,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[bytes, dt.datetime]:
    """The JSON answer of the API as it came, and its time, by the API's clock if the answer has it.

    Each attempt has `connect` seconds for the connection, `read` for any single wait and `deadline` for the whole.
    Repeats attempts whose failure may pass, with growing, jittered pauses: no connection, a broken one, half a body, an
    answer that is no JSON, 429 and 5xx (after the server's Retry-After, up to a minute).

    Raises ConfigError for text that is no URL, ServiceDown if no attempt got an answer, BadAnswer if the last answer
    was no JSON or is longer than `longest` bytes. No error shows a user, a password or a query of the URL.
    """
    parts = parsed(url)
    if parts is None:
        raise ConfigError(
            "use RISK_API_URL",
            "it is not of the form http://user:password@host:port/path",
            f"correct it; {logins.ESCAPED}",
        )
    request = _Request(parts, connect, read, deadline, longest)
    retrying = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(attempts),
        wait=_wait,
        retry=tenacity.retry_if_exception_type(Again),
        sleep=sleep,
        reraise=True,
    )
    try:
        return retrying(request.send)
    except Again as again:
        kind = BadAnswer if again.answered else ServiceDown
        raise kind(
            f"fetch risk scores from {request.shown}",
            f"{again.because}, in the last of {attempts} attempts",
            "see whether the service runs, or correct RISK_API_URL, and run the same command again",
        ) from None


def parse(answer: bytes, file: str = "") -> tuple[list[Score], list[Rejected]]:
    """The scores of an answer, one per customer, the last one, and the entries that cannot be kept.

    `file` is the file name of rejected entries; their line is their place in the list, from 1. Raises BadAnswer if the
    answer is not a JSON list, TooManyRejected if too many entries cannot be kept.
    """
    scores: dict[int, Score] = {}
    rejected = Rejections(RISK_SCORES.name, "this answer")
    for entry in entries(answer, file):
        if isinstance(entry, Score):
            scores[entry.customer_id] = entry
        else:
            rejected.append(entry)
    return list(scores.values()), rejected


def entries(answer: bytes, file: str = "") -> Iterator[Score | Rejected]:
    """The entries of an answer in their order, as scores or rejected; several may be of one customer.

    Raises BadAnswer if the answer is not a JSON list.
    """
    try:
        found = _json(answer)
    except ValueError:
        found = None
    if not isinstance(found, list):
        raise BadAnswer(
            "read the risk scores",
            "the answer is not a JSON list",
            'have the service answer [{"customer_id": 1, "risk_score": 50}, ...], or correct RISK_API_URL',
        )
    for place, entry in enumerate(found, 1):
        try:
            yield Score.model_validate(entry)
        except ValidationError as error:
            raw = json.dumps(entry, ensure_ascii=False).encode("utf-8", "backslashreplace")
            fault = _fault(error)
            yield Rejected(file, place, fault.reason, storable(raw), fault)


def _json(answer: bytes) -> Any:
    """The values of the answer, with very long numbers as texts; raises ValueError if it is no JSON.

    Raises BadAnswer before it reads an answer with so many values that they would fill the memory.
    """
    # A longer answer was kept by an earlier version, and is as large as its scores are many.
    most = MOST_SIGNS * max(len(answer), LONGEST_ANSWER) // LONGEST_ANSWER
    if sum(map(answer.count, SIGNS)) > most:
        raise BadAnswer("read the risk scores", f"the answer has more than {most:,} values", "correct RISK_API_URL")
    try:
        return json.loads(answer)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except ValueError:
        # Python refuses to read such a number, which is one bad entry and not a bad answer.
        return json.loads(answer, parse_int=lambda digits: int(digits) if len(digits) < MOST_DIGITS else digits)


def _fault(error: ValidationError) -> Fault:
    first = error.errors(include_url=False)[0]
    if not first["loc"]:
        return NO_OBJECT
    field, value = COLUMNS[str(first["loc"][0])], first["input"]
    if first["type"] == "missing" or value is None:
        return field.missing()
    if type(value) is int:
        return field.beyond(str(value))
    return field.not_whole(json.dumps(value, ensure_ascii=False)[:MOST_DIGITS])


def _date(header: str) -> dt.datetime:
    """The instant that a header tells, but no later than now, which would keep newer answers out; else now."""
    now = clock.now()
    with contextlib.suppress(ValueError, TypeError):
        found = email.utils.parsedate_to_datetime(header)
        return min(found.replace(tzinfo=found.tzinfo or dt.UTC), now)
    return now


def _wait(state: tenacity.RetryCallState) -> float:
    """The pause before the next attempt: the backoff, or longer if the server asks for it."""
    failure = state.outcome.exception() if state.outcome else None
    asked = failure.after if isinstance(failure, Again) else 0
    return max(BACKOFF(state), min(asked, LONGEST_WAIT))


@dataclass(frozen=True)
class _Request:
    """The GET of a URL, and how long it may take."""

    url: Url
    connect: float
    read: float
    deadline: float
    longest: int

    @property
    def shown(self) -> str:
        """The URL without its secrets."""
        return Url(self.url.scheme, None, self.url.host, self.url.port, self.url.path or "/").url

    def send(self) -> tuple[bytes, dt.datetime]:
        """One attempt. Raises Again, or an error that no further attempt would change."""
        answer, answered_at = self._ask()
        try:
            _json(answer)
        except ValueError:
            raise Again("its answer is not JSON", answered=True) from None
        return answer, answered_at

    def _ask(self) -> tuple[bytes, dt.datetime]:
        # The login goes in clear text. So the listener of an embedded service must be ours.
        problem = listener.problem(str(self.url.host), self.url.port or 0)
        if problem and problem != listener.NOTHING:
            raise ServiceDown(f"trust the risk scores of {self.shown}", problem, listener.REMEDY)
        if problem:
            raise Again(f"no connection could be made: {problem}")
        with exchange(
            "GET",
            self.url,
            headers={"Accept": "application/json"},
            connect=self.connect,
            read=self.read,
            deadline=self.deadline,
        ) as answer:
            return self._body(answer), _date(answer.headers.get("Date", ""))

    def _body(self, answer: HTTPResponse) -> bytes:
        if not 200 <= answer.status < 300:
            wrong = "user and password in " if answer.status in (401, 403) else ""
            raise ServiceDown(f"fetch risk scores from {self.shown}", said(answer), f"correct {wrong}RISK_API_URL")
        body = bytearray()
        while data := answer.read(1 << 20):
            body += data
            if len(body) > self.longest:
                because = f"its answer is longer than {self.longest:,} bytes"
                raise BadAnswer(f"fetch risk scores from {self.shown}", because, "correct RISK_API_URL")
        return bytes(body)
