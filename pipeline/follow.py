"""`python -m pipeline follow`: loads the date under way again and again, until it is stopped."""

import contextlib
import datetime as dt
import gc
import json
import os
import signal
import sys
import threading
import time
import traceback
from dataclasses import dataclass

import luigi

from pipeline.kernel import clock, postgres
from pipeline.kernel.config import settings
from pipeline.kernel.errors import ConfigError, OceanError
from pipeline.lake.objects import lake
from pipeline.operations import following
from pipeline.source import bounds, source_clock
from pipeline.tasks.daily import DailyWarehouseLoad
from pipeline.tasks.reconcile_source import ReconcileSource
from pipeline.tasks.runtime import command
from pipeline.tasks.runtime.telling import Alerts

# An alert that is true for hours is sent once an hour, and not with each round.
SECONDS_BETWEEN_ALERTS = 3600


@dataclass
class Told:
    """When alerts were sent last, by the clock of this process, and whether the last round failed."""

    failure: float = -SECONDS_BETWEEN_ALERTS
    warning: float = -SECONDS_BETWEEN_ALERTS
    has_failed: bool = False

    def next(self, now: float) -> Alerts:
        """The alerts that the next round may send."""
        is_new = not self.has_failed
        return Alerts(
            failures=is_new or now - self.failure >= SECONDS_BETWEEN_ALERTS,
            warnings=now - self.warning >= SECONDS_BETWEEN_ALERTS,
        )

    def note(self, now: float, may: Alerts, *, has_failed: bool) -> None:
        """Notes how a round ended that might send these."""
        self.has_failed = has_failed
        if has_failed and may.failures:
            self.failure = now
        if not has_failed and may.warnings:
            self.warning = now


def follow(every: float, rounds: int | None = None, *, as_json: bool = False) -> int:
    """Loads what is new every so many seconds, each time as a Luigi command would; returns the exit code.

    A round that takes longer than that is followed by the next one at once. One that fails says so, and the next one
    tries again. SIGTERM and Ctrl-C end it after the round. `rounds` limits their number. For machines
    stdout has a line of JSON for each round, and what the round prints goes to stderr.
    """
    if settings().lakehouse.is_alone:
        raise ConfigError(
            "load every few seconds",
            "with star = lake a load takes a minute",
            "run DailyWarehouseLoad every few minutes",
        )
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    prepare()
    told, code = Told(), 0
    while not stopped.is_set():
        begun, may = time.monotonic(), told.next(time.monotonic())
        at = clock.now()
        code = one_round(every, may, prints_on=sys.stderr.fileno() if as_json else None)
        if as_json:
            ended = {"began": at.isoformat(), "seconds": round(time.monotonic() - begun, 3), "exit_code": code}
            print(json.dumps(ended), flush=True)
        told.note(time.monotonic(), may, has_failed=code != 0)
        if rounds is not None and (rounds := rounds - 1) <= 0:
            break
        stopped.wait(max(0.0, begun + every - time.monotonic()))
    return code


def prepare() -> None:
    """Imports all that a round needs, and reads the models of S3: each round is a copy of this process."""
    import multiprocessing.queues  # noqa: F401  # of Luigi

    from pipeline.feeds import risk_api  # noqa: F401
    from pipeline.operations import alerts, summary  # noqa: F401

    lake().client  # noqa: B018  # makes the client, and asks nobody
    gc.freeze()


def one_round(every: float, may: Alerts, *, prints_on: int | None = None) -> int:
    """Runs a round in a process of its own, which leaves nothing behind; returns its exit code.

    It prints on stdout, or on another file of this process.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        _, status = os.waitpid(pid, 0)
        return os.waitstatus_to_exitcode(status)
    code = 1
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to both, and the round may end
        command.alerts = may
        if prints_on is not None:
            os.dup2(prints_on, sys.stdout.fileno())
        code = _load(every)
    except OceanError as error:
        print(error, file=sys.stderr)
    except Exception:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _load(every: float) -> int:
    begun = clock.now()
    date = _today()
    # The comparison is beside the load, and not in it: a difference that is left does not keep the load from its end.
    tasks = [DailyWarehouseLoad(date, brief=True), *_comparison(date)]
    done = luigi.build(tasks, local_scheduler=True, workers=1, log_level="WARNING")
    with postgres.transaction(settings().warehouse_url, "warehouse") as cursor:
        following.note(cursor, every, date, begun, is_done=done)
    return 0 if done else 1


def _comparison(date: dt.date) -> list[luigi.Task]:
    with contextlib.suppress(OceanError):  # of a warehouse that is down the load tells, with an alert
        return ReconcileSource.due_in_round(date)
    return []


def _today() -> dt.date:
    """The date under way by the source's clock; by ours if it is down, of which the load tells with an alert."""
    try:
        with postgres.session(settings().operational_url, "operational", purpose=bounds.PURPOSE) as source:
            return source_clock.now(source).astimezone(dt.UTC).date()
    except OceanError:
        return clock.today()
