"""One alert for a command whose daily load failed or needs attention."""

import html
import json
import platform
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from pipeline.kernel import postgres
from pipeline.kernel.config import Settings
from pipeline.kernel.errors import Undelivered
from pipeline.kernel.postgres import Cursor
from pipeline.operations import findings, status, summary
from pipeline.operations.kpi_limits import Passed
from pipeline.operations.outcome import Outcome
from pipeline.operations.state import ERROR, WARN, Deletion

ATTEMPTS = 3
SECONDS = {"connect": 2, "read": 3, "deadline": 5}  # of each attempt
WAIT, JITTER = 0.2, 0.3
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Alert:
    """An alert: a subject of one line, and the text; `details` are the same for machines.

    `page` is the morning page as HTML, empty where it does not go out with alerts.
    """

    severity: str
    subject: str
    text: str
    details: dict[str, Any]
    page: str = ""

    def to_json(self) -> bytes:
        """The posted JSON. Chat services show the field `text`; the details are unchanged."""
        fields = {"pipeline": "oceanrecords", "host": platform.node(), "severity": self.severity}
        shown = {"subject": _plain(self.subject), "text": _plain(self.text.strip())}
        page = {"page": self.page} if self.page else {}
        return json.dumps({**fields, **shown, **self.details, **page}).encode()

    def mailed(self, form: str) -> str:
        """The text of a mail: in the form html the morning page, if it goes out, below the text."""
        if form != "html":
            return self.text
        text = f"<pre>{html.escape(self.text.strip())}</pre>"
        return self.page.replace('<main id="main">', f'<main id="main">{text}', 1) if self.page else text


def of_failure(outcome: Outcome) -> Alert:
    """The alert of a daily load that failed."""
    return Alert(ERROR, summary.headline(outcome), summary.of_failure(outcome), _details(outcome, []))


def of_warnings(outcome: Outcome, warnings: list[str]) -> Alert:
    """The alert of a daily load that was done, with these warnings."""
    subject = f"{summary.subject(outcome)} is done, with warnings"
    return Alert(WARN, subject, "\n".join([f"{subject}:", *warnings]), _details(outcome, warnings))


def of_limits(passed: list[Passed], outcome: Outcome) -> Alert:
    """The alert of KPIs that have passed their limits."""
    told = [str(each) for each in passed]
    subject = told[0] if len(told) == 1 else f"{len(told)} KPIs are beyond their limits"
    return Alert(WARN, subject, "\n".join(told), _details(outcome, told))


def warnings(cursor: Cursor, seconds: float, settings: Settings) -> list[str]:
    """Warnings of a load of the last `seconds`: checks, rejected and deleted rows, waiting rows."""
    window = {"seconds": seconds}
    return [
        *(
            f"{date}: the check {name} found {failures:,} rows"
            for name, date, failures in postgres.rows(cursor, CHECKS, window)
        ),
        *(
            f"{date}: {count:,} rows of {source} were rejected: {reason}"
            for source, date, reason, count in postgres.rows(cursor, REJECTED, window)
        ),
        *(str(Deletion(*row)) for row in postgres.rows(cursor, DELETED, window)),
        *(found.what for found in findings.waits_too_long(status.queue(cursor, settings), settings.max_queue_hours)),
    ]


def post(url: str, body: bytes) -> None:
    """Posts JSON, and tries once or twice more if it fails. The URL is a secret: no message shows it.

    Raises Undelivered.
    """
    from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential, wait_random

    from pipeline.kernel import http, logins

    where = http.parsed(url)
    if where is None:
        raise _undelivered(f"it is no URL of HTTP, in which {logins.ESCAPED}")

    def send() -> None:
        with http.exchange("POST", where, headers=JSON, body=body, **SECONDS) as answer:
            if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
                raise _undelivered(http.said(answer))

    try:
        Retrying(
            retry=retry_if_exception_type(http.Again),
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_exponential(WAIT) + wait_random(0, JITTER),
            reraise=True,
        )(send)
    except http.Again as error:
        raise _undelivered(f"{error}, at the last of {ATTEMPTS} attempts") from None


# Escaped for Slack and Teams, in which a tag is a mention or a link with another name.
ESCAPES = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;"}
# Mentions of people, and links or pictures in Markdown. No escape is the same in every chat.
MARKUP = re.compile(r"(?<=@)(?=\w)|(?<=\])(?=\()")
UNSEEN = "\u200b"  # a space without width


def _plain(text: str) -> str:
    """A text that a chat shows as it is: names in it are others' to choose, and call nobody and link to nothing."""
    return MARKUP.sub(UNSEEN, text).translate(ESCAPES)


def _undelivered(because: str) -> Undelivered:
    return Undelivered("post the alert to alert_url", because, "correct OCEAN_ALERT_URL, or see to who answers there")


def _details(outcome: Outcome, warnings: list[str]) -> dict[str, Any]:
    failed = [{"task": task.name, "error": task.error} for task in outcome.failed]
    return {
        "dates": sorted({load.date for load in outcome.loads}),
        "first_failed": failed[0] if failed else None,
        "failed": failed,
        "not_run": [task.name for task in outcome.not_run],
        "not_run_because_of_first": [task.name for task in outcome.kept_by_first],
        "counts": {"failed": len(failed), "not_run": len(outcome.not_run), "done": len(outcome.done)},
        "warnings": warnings,
        "cut_short": outcome.cut_short,
        "command": outcome.command,
    }


# The clock of the server, so that no other one need agree with it.
CHECKS = """
select check_name, load_date, failures from etl.check_result
where severity = 'warn' and failures > 0 and checked_ts >= now() - make_interval(secs => %(seconds)s)
order by load_date, check_name
"""
REJECTED = """
select source, date, reason, count(*) from etl.rejected_row
where rejected_ts >= now() - make_interval(secs => %(seconds)s)
group by source, date, reason
order by source, date, reason
"""
DELETED = """
select load_date, table_name, rows from etl.deletion
where marked_ts >= now() - make_interval(secs => %(seconds)s)
order by load_date, table_name
"""
