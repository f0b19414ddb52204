"""Sends the alerts of a command that has ended: of what failed, of warnings, and of KPIs beyond their limits."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from luigi import notifications

from pipeline.kernel import clock, config, postgres
from pipeline.kernel.errors import OceanError
from pipeline.operations import slots
from pipeline.operations.outcome import DAILY, Outcome

if TYPE_CHECKING:
    from pipeline.operations.alerts import Alert

logger = logging.getLogger("luigi-interface")


class Alerts(NamedTuple):
    """Which alerts a command may send."""

    failures: bool = True
    warnings: bool = True


def tell(outcome: Outcome, allowed: Alerts, *, is_done: bool) -> None:
    """Sends the alerts that a command has cause for. Raises Undelivered, and what the warehouse answers."""
    brought_a_date = is_done and allowed.warnings and any(task.family == DAILY for task in outcome.done)
    if config.alert_url() or notifications.email().receiver:
        _tell_of_load(outcome, allowed, brought_a_date=brought_a_date)
    if brought_a_date and config.settings().mart:
        _tell_of_limits(outcome)


def _tell_of_load(outcome: Outcome, allowed: Alerts, *, brought_a_date: bool) -> None:
    # Most commands send no alert.
    from pipeline.operations import alerts as written

    if outcome.failed or outcome.cut_short:
        if allowed.failures:
            _send(written.of_failure(outcome))
    elif brought_a_date:
        with postgres.session(config.settings().warehouse_url, "warehouse") as cursor:
            warnings = written.warnings(cursor, outcome.seconds, config.settings())
        warnings += _of_slot()
        if warnings:
            _send(written.of_warnings(outcome, warnings))


def _tell_of_limits(outcome: Outcome) -> None:
    """Tells of each limit once: what was told is noted once it was sent."""
    from pipeline.operations import kpi_limits

    url = config.alert_url()
    asked = [rule for rule in kpi_limits.rules() if rule.channel == "mail" or url]
    if not asked:
        return
    from pipeline.operations import alerts as written

    with postgres.transaction(config.settings().warehouse_url, "warehouse") as cursor:
        found = kpi_limits.untold(cursor, asked)
        posted = [passed for passed in found if passed.rule.channel == "post"]
        if posted:
            _send(written.of_limits(posted, outcome), mail=False)
        for who in dict.fromkeys(passed.rule.who for passed in found if passed.rule.channel == "mail"):
            theirs = [passed for passed in found if passed.rule.channel == "mail" and passed.rule.who == who]
            _send(written.of_limits(theirs, outcome), post=False, to=who)
        kpi_limits.note(cursor, found)


def _of_slot() -> list[str]:
    """Warnings about the slot in the source, through which changes come from its log."""
    settings = config.settings()
    if not settings.reads_log:
        return []
    with postgres.session(settings.operational_url, "operational") as source:
        return [found.what for found in slots.findings(slots.read(source, settings), settings)]


def _send(alert: "Alert", *, post: bool = True, mail: bool = True, to: Sequence[str] = ()) -> None:
    """Posts an alert and mails it, to some addresses or to the receiver of all."""
    from pipeline.operations import alerts as written

    alert = replace(alert, page=_morning_page())
    url, email = config.alert_url(), notifications.email()
    try:
        if url and post:
            written.post(url, alert.to_json())
            logger.info("the alert was posted to alert_url")
    finally:
        if mail:
            receivers = to or filter(None, [email.receiver])
            subject = f"OceanRecords: {alert.subject}"
            notifications.send_email(subject, alert.mailed(email.format), email.sender, [*receivers])


def _morning_page() -> str:
    """The morning page, if it goes out with alerts; empty if not, or if it cannot be made, as in many a failure."""
    try:
        if not config.settings().alert_page:
            return ""
        from pipeline.book import site

        return site.morning_page(site.read(config.settings(), {}, clock.now()))
    except Exception as error:
        logger.warning(
            "the alert goes without the morning page: %s",
            error if isinstance(error, OceanError) else type(error).__name__,
        )
        return ""
