"""The end of a command: its last lines say what failed and what to do, and so does one alert.

Luigi has no event for that end, and those of a task that has a process of its own do not leave that process. So this
looks on at the three places where Luigi itself learns what became of a task.
"""

import atexit
import json
import logging
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import luigi
from luigi import interface, notifications
from luigi.rpc import RPCError
from luigi.worker import Worker

from pipeline import config, postgres, summary
from pipeline.errors import OceanError, reason, unexpected
from pipeline.outcome import DAILY, DONE, Outcome, Task
from pipeline.scheduler import Factory
from pipeline.tasks import run_log
from pipeline.tasks.stopping import told_to_stop

logger = logging.getLogger("luigi-interface")

OURS = re.compile(r"^pipeline\.errors\.\w+: (.+)$", re.MULTILINE)

_schedule_and_run = interface._schedule_and_run
_add_task = Worker._add_task
_announce = Worker._announce_scheduling_failure

_outcome = Outcome("")
_running: dict[str, luigi.Task] = {}
_unscheduled: dict[str, str] = {}


def watch() -> None:
    """From now on every command of Luigi ends as this module says."""
    interface._schedule_and_run = _watched
    Worker._add_task = _noted
    Worker._announce_scheduling_failure = _announced


def begins(task: luigi.Task) -> None:
    """Notes that a worker is about to run a task, be it in another process."""
    run_log.started(task)
    _running[task.task_id] = task


def _watched(tasks: Any, worker_scheduler_factory: Any = None, override_defaults: Any = None) -> Any:
    global _outcome, _running
    before = _outcome, _running  # of the command whose task runs this one
    outcome = Outcome(_command())
    _outcome, _running = outcome, {}
    try:
        with told_to_stop(_stopped):
            result = _schedule_and_run(tasks, worker_scheduler_factory or Factory(), override_defaults)
    except (Exception, KeyboardInterrupt) as error:
        is_interrupted = isinstance(error, KeyboardInterrupt)
        _cut_short("it was interrupted" if is_interrupted else _why(error))
        # After the trace that is still to be printed.
        atexit.register(_end, outcome, tell=not is_interrupted)
        raise
    finally:
        _outcome, _running = before
    _end(outcome)
    return result


def _stopped() -> None:
    _cut_short("it was told to stop (SIGTERM)")
    _end(_outcome)


def _cut_short(why: str) -> None:
    _outcome.cut_short = why
    for task in _running.values():
        run_log.interrupted(task)


def _why(error: BaseException) -> str:
    """Why a command was cut short."""
    if isinstance(error, RPCError):
        return "luigid does not answer any more; start it again (`make up`), or add --local-scheduler"
    return reason(error)


def _noted(worker: Worker, /, *args: Any, **kwargs: Any) -> None:
    seen = len(worker._add_task_history)
    _add_task(worker, *args, **kwargs)
    needs = [*(kwargs.get("deps") or ()), *(kwargs.get("new_deps") or ())]
    for task, state, _ in worker._add_task_history[seen:]:
        error = _error(task, state, kwargs.get("expl"))
        _running.pop(task.task_id, None)
        _outcome.note(task.task_id, _named(task), state, needs, error)


def _announced(worker: Worker, task: luigi.Task, trace: str) -> None:
    _unscheduled[task.task_id] = _of_trace(trace)
    run_log.not_scheduled(task, _unscheduled[task.task_id])
    _announce(worker, task, trace)


def _error(task: luigi.Task, state: str, explanation: str | None) -> str | None:
    """Why a task failed, as Luigi was told: a trace, or what a task that is done held back."""
    error = getattr(task, "error", None)
    if error and task.task_id in _running:
        return reason(error)
    said = json.loads(explanation) if explanation else None
    if state == DONE or not said:
        return said or _unscheduled.pop(task.task_id, None)
    return _of_trace(said)


def _of_trace(trace: str) -> str:
    """The failure at the end of a trace; a text that is no trace is one itself."""
    if ours := OURS.findall(trace):
        return str(ours[-1])
    if "Traceback" not in trace:
        return trace
    return unexpected(trace.strip().rpartition("\n")[2].partition(":")[0].rpartition(".")[2])


def _named(task: luigi.Task) -> Task:
    values = [value for value in task.to_str_params(only_significant=True).values() if value]
    date = str(getattr(task, "date", ""))
    return Task(task.task_family, date, f"{task.task_family}({', '.join(values)})")


def _command() -> str:
    """What runs this command again, as it would be typed; nothing where that is not luigi."""
    program = Path(sys.argv[0])
    if program.name != "luigi":
        return ""
    with_path = program.relative_to(Path.cwd()) if program.is_relative_to(Path.cwd()) else program
    return shlex.join([str(with_path), *sys.argv[1:]])


def _end(outcome: Outcome, *, tell: bool = True) -> None:
    is_done = not (outcome.failed or outcome.not_run or outcome.cut_short)
    if tell and outcome.loads:
        try:
            _alert(outcome, is_done)
        except Exception as error:
            # A trace of somebody else's might show the URL.
            logger.warning("no alert was sent: %s", error if isinstance(error, OceanError) else type(error).__name__)
    if not is_done:
        sys.stdout.flush()
        print(summary.of_failure(outcome), file=sys.stderr, flush=True)


def _alert(outcome: Outcome, is_done: bool) -> None:
    url, receiver = config.alert_url(), notifications.email().receiver
    if not (url or receiver):
        return
    # Most commands have nobody to tell anything.
    from pipeline import alerts

    if outcome.failed or outcome.cut_short:
        alert = alerts.of_failure(outcome)
    elif is_done and any(task.family == DAILY for task in outcome.done):
        with postgres.session(config.settings().warehouse_url, "warehouse") as cursor:
            warnings = alerts.warnings(cursor, outcome.seconds, config.settings())
        if not warnings:
            return
        alert = alerts.of_warnings(outcome, warnings)
    else:
        return
    try:
        if url:
            alerts.post(url, alert.to_json())
            logger.info("the alert was posted to alert_url")
    finally:
        notifications.send_error_email(f"OceanRecords: {alert.subject}", alert.text)
