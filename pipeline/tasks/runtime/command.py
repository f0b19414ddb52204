"""The end of a command: its last lines, and one alert, say what failed and what to do.

Luigi has no event for the end of a command, and events of a task with its own process stay in that process. So this
listens to the messages about tasks that Luigi's worker sends to the scheduler.
"""

import atexit
import json
import logging
import re
import shlex
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import luigi
from luigi.cmdline_parser import CmdlineParser
from luigi.rpc import RPCError
from luigi.scheduler import RUNNING
from luigi.task import task_id_str
from luigi.task_register import Register

from pipeline.kernel import clock, errors
from pipeline.kernel.errors import OceanError, reason, unexpected
from pipeline.operations import summary
from pipeline.operations.outcome import DONE, Outcome, Task
from pipeline.tasks.runtime import forecasting, live, run_log, telling
from pipeline.tasks.runtime.event_log import EventLog
from pipeline.tasks.runtime.stopping import told_to_stop
from pipeline.tasks.runtime.telling import Alerts

logger = logging.getLogger("luigi-interface")

OURS = re.compile(rf"^{re.escape(errors.__name__)}\.\w+: (.+)$", re.MULTILINE)


alerts = Alerts()  # of this process
_begun: list["Command"] = []  # more than one if a task runs another one


class Command:
    """One command of Luigi, from the first task that its worker schedules to its last lines."""

    def __init__(self) -> None:
        self._outcome = Outcome(_typed())
        self._named: dict[str, Task] = {}  # by task id, like the others
        self._running: dict[str, luigi.Task] = {}
        # Tasks that Luigi runs as one: by the id of the batch, and by the id of the one task once it begins.
        self._batches: dict[str, list[str]] = {}
        self._unscheduled: dict[str, str] = {}  # the reasons
        self._counted = live.Counted()
        self._around = ExitStack()
        self._events = EventLog()

    def begin(self) -> None:
        """Starts to listen for SIGTERM, and to show on a terminal what runs."""
        _begun.append(self)
        self._around.enter_context(told_to_stop(self._stopped))
        self._around.enter_context(live.shown())

    def end(self, error: BaseException | None) -> None:
        """Ends the command with its last lines and its alert. Luigi prints its summary and a trace of `error` first."""
        self._counted.end()
        self._around.close()
        _begun.remove(self)
        if error is None or isinstance(error, (Exception, KeyboardInterrupt)):
            self._sum_up(error)
        self._close_events()

    def _sum_up(self, error: BaseException | None) -> None:
        is_interrupted = isinstance(error, KeyboardInterrupt)
        if error is not None:
            self._cut_short("it was interrupted" if is_interrupted else _why(error))
        is_last = CmdlineParser.get_instance() and not _begun  # otherwise a task or program goes on afterwards
        if error is not None or is_last:
            atexit.register(_end, self._outcome, tell=not is_interrupted, goes_on=False)
        else:
            _end(self._outcome)

    def note_start(self, task: luigi.Task) -> None:
        """Notes that the worker is about to run a task, here or in another process."""
        run_log.started(task)
        self._running[task.task_id] = task
        named = self._named.get(task.task_id)
        self._counted.begin(task.task_id, named.name if named else task.task_family)
        self._events.begin(task.task_id, task.task_family, task.to_str_params())

    def note_batch(self, batch_id: str, task_ids: list[str]) -> None:
        """Notes the tasks that Luigi runs as one."""
        self._batches[batch_id] = task_ids

    def note_state(self, told: Mapping[str, Any]) -> None:
        """Notes the worker's message about a task: its state, the tasks that it needs, and why it failed."""
        task_id = told["task_id"]
        if "family" in told:  # otherwise Luigi has named it before, or could not load it
            self._named[task_id] = _named(told["family"], told["params"])
            self._events.name_main(task_id, told["family"], told["params"])
        if told["status"] == RUNNING:
            if "batch_id" in told:  # the one task that the worker made of several
                self._batches[task_id] = self._batches.pop(told["batch_id"])
            return
        needs = [*(told.get("deps") or ()), *(told.get("new_deps") or ())]
        ended = (task_id, *self._batches.pop(task_id, ()))
        for task_id in filter(self._named.__contains__, ended):
            error = self._error(task_id, told["status"], told.get("expl"))
            self._running.pop(task_id, None)
            self._counted.note(task_id, told["status"])
            self._outcome.note(task_id, self._named[task_id], told["status"], needs, error)
            self._events.note(task_id, told["status"], error)

    def note_unscheduled(self, family: str, params: Mapping[str, str], trace: str) -> None:
        """Notes a task whose state or requirements could not be found out."""
        why = self._unscheduled[task_id_str(family, params)] = _of_trace(trace)
        run_log.not_scheduled(family, params, why)

    def _stopped(self) -> None:
        live.end()
        self._cut_short("it was told to stop (SIGTERM)")
        _end(self._outcome)
        self._close_events()

    def _cut_short(self, why: str) -> None:
        self._outcome.cut_short = why
        for task in self._running.values():
            self._events.abort(task.task_id, run_log.interrupted(task))

    def _close_events(self) -> None:
        first = next((task.error for task in self._outcome.failed), "")
        self._events.close(first, is_cut_short=bool(self._outcome.cut_short))

    def _error(self, task_id: str, state: str, explanation: str | None) -> str | None:
        """Why a task failed, by the worker's message: a trace, or the failure that a task which is done held back."""
        if error := getattr(self._running.get(task_id), "error", None):
            return reason(error)
        said = json.loads(explanation) if explanation else None
        if state == DONE or not said:
            return said or self._unscheduled.pop(task_id, None)
        return _of_trace(said)


class ObservedScheduler:
    """A scheduler, local or luigid's, whose messages and answers a command notes."""

    def __init__(self, scheduler: Any, command: Command) -> None:
        self._scheduler, self._command = scheduler, command

    def __getattr__(self, name: str) -> Any:
        return getattr(self._scheduler, name)

    def add_task(self, **task: Any) -> Any:
        """Sends the state of a task."""
        answer = self._scheduler.add_task(**task)
        self._command.note_state(task)
        return answer

    def get_work(self, **asked: Any) -> Any:
        """Asks for the task to run next."""
        answer = self._scheduler.get_work(**asked)
        if "batch_id" in answer:
            self._command.note_batch(answer["batch_id"], answer["batch_task_ids"])
        return answer

    def announce_scheduling_failure(self, **failure: Any) -> Any:
        """Sends that a task could not be scheduled."""
        self._command.note_unscheduled(failure["family"], failure["params"], failure["expl"])
        return self._scheduler.announce_scheduling_failure(**failure)


def _why(error: BaseException) -> str:
    """Why a command was cut short."""
    if isinstance(error, RPCError):
        return "luigid does not answer any more; start it again (`make up`), or add --local-scheduler"
    return reason(error)


def _of_trace(trace: str) -> str:
    """The failure at the end of a trace; a text without a trace is the failure itself."""
    if ours := OURS.findall(trace):
        return str(ours[-1])
    if "Traceback" not in trace:
        return trace
    return unexpected(trace.strip().rpartition("\n")[2].partition(":")[0].rpartition(".")[2])


def _named(family: str, params: Mapping[str, str]) -> Task:
    known = Register.get_task_cls(family).get_params()
    values = [params[name] for name, parameter in known if parameter.significant and params[name]]
    return Task(family, params.get("date", ""), f"{family}({', '.join(values)})")


def _typed() -> str:
    """The line that runs this command again, as typed; empty if the program is not luigi."""
    program = Path(sys.argv[0])
    if program.name != "luigi":
        return ""
    with_path = program.relative_to(Path.cwd()) if program.is_relative_to(Path.cwd()) else program
    return shlex.join([str(with_path), *map(clock.dated, sys.argv[1:])])


def _end(outcome: Outcome, *, tell: bool = True, goes_on: bool = True) -> None:
    is_done = not (outcome.failed or outcome.not_run or outcome.cut_short)
    if tell and outcome.loads:
        try:
            telling.tell(outcome, alerts, is_done=is_done)
        except Exception as error:
            # Another library's trace might show the URL.
            logger.warning("no alert was sent: %s", error if isinstance(error, OceanError) else type(error).__name__)
    if is_done and not goes_on:
        forecasting.forecast(outcome)
    if not is_done:
        sys.stdout.flush()
        print(summary.of_failure(outcome), file=sys.stderr, flush=True)
