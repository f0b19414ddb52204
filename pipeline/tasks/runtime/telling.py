"""Sends the alerts of a command that has ended: of what failed, of warnings, and of KPIs beyond their limits."""

import logging
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from luigi import notifications

from pipeline.kernel import clock, config, locks, postgres
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
    _morning_page.cache_clear()
    brought_a_date = is_done and allowed.warnings and any(task.family == DAILY for task in outcome.done)
    try:
        if config.alert_url() or notifications.email().receiver:
            _tell_of_load(outcome, allowed, brought_a_date=brought_a_date)
    finally:
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
    """Tells of each limit once: what was delivered is noted at once, whatever becomes of the rest."""
    from pipeline.operations import kpi_limits

    url = config.alert_url()
    asked = [rule for rule in kpi_limits.rules() if rule.channel == "mail" or url]
    if not asked:
        return
    from pipeline.operations import alerts as written

    problems: list[Exception] = []
    with postgres.session(config.settings().warehouse_url, "warehouse") as cursor:
        locks.lock_session(cursor, "etl.kpi_alert")  # of two loads at once one tells
        found = kpi_limits.untold(cursor, asked)
        for channel, who in dict.fromkeys((passed.rule.channel, passed.rule.who) for passed in found):
            theirs = [passed for passed in found if (passed.rule.channel, passed.rule.who) == (channel, who)]
            alert = written.of_limits(theirs, outcome)
            try:
                is_told = _post(alert) if channel == "post" else _mail(alert, who)
            except Exception as error:  # the others are told all the same
                problems.append(error)
            else:
                kpi_limits.note(cursor, theirs if is_told else ())
    if problems:
        raise problems[0]


def _of_slot() -> list[str]:
    """Warnings about the slot in the source, through which changes come from its log."""
    settings = config.settings()
    if not settings.reads_log:
        return []
    with postgres.session(settings.operational_url, "operational") as source:
        return [found.what for found in slots.findings(slots.read(source, settings), settings)]


def _send(alert: "Alert") -> None:
    """Posts an alert, and mails it to the receiver of all."""
    try:
        _post(alert)
    finally:
        if receiver := notifications.email().receiver:
            _mail(alert, [receiver])


def _post(alert: "Alert") -> bool:
    """Posts an alert; returns whether there is somewhere to post to. Raises Undelivered."""
    from pipeline.operations import alerts as written

    if not (url := config.alert_url()):
        return False
    written.post(url, replace(alert, page=_morning_page()).to_json())
    logger.info("the alert was posted to alert_url")
    return True


def _mail(alert: "Alert", to: Sequence[str]) -> bool:
    """Mails an alert; returns whether Luigi sends mails: none from a terminal, where somebody reads the same."""
    email = notifications.email()
    if email.format == "none" or (sys.stdout.isatty() and not email.force_send):
        return False
    subject = f"OceanRecords: {' '.join(alert.subject.split())}"
    text = replace(alert, page=_morning_page()).mailed(email.format)
    notifications.send_email(subject, text, email.sender, [*to])
    return True


@cache
def _morning_page() -> str:
    """The morning page, if it goes out with alerts; empty if not, or if it cannot be made, as in many a failure.

    Made once for all alerts of a command.
    """
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
