"""The luigid of a command: its address, its password, and the limits of our trust in it.

luigid decides when a task runs. The command itself decides which tasks run, and runs only those it scheduled. Luigi
loads a task by module and family, so anybody who may name one may run anything.
"""

import contextlib
import json
import logging
import os
import sys
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, NoReturn
from urllib.parse import SplitResult, unquote, urlsplit

from luigi.configuration import get_config
from luigi.interface import core
from luigi.rpc import RemoteScheduler
from luigi.scheduler import DISABLED, DONE, FAILED, PENDING, UNKNOWN

from pipeline.kernel import basic_auth, config, http, listener, logins
from pipeline.kernel.errors import ConfigError, OceanError, ServiceDown
from pipeline.kernel.listener import LOOPBACK

logger = logging.getLogger("luigi-interface")

UNHANDLED = 40  # the exit code in luigi.cfg for failures outside tasks
SETTINGS = {"default-scheduler-url", "default-scheduler-host", "default-scheduler-port"}
SECONDS_TO_CONNECT = 1
MOST_REFUSED = 100  # after so many foreign tasks in a row a worker concludes that there is no work for it
# The parts of luigid's answer besides the task to run.
COUNTS = ("n_pending_tasks", "n_unique_pending", "n_pending_last_scheduled", "running_tasks", "worker_state")


def use_embedded() -> None:
    """Points Luigi at the embedded luigid. Its port is not 8082 if another server has that one."""
    # The settings of luigi.rpc share a section with those of luigi.core, which would warn about each.
    core.ignore_unconsumed |= {"rpc_connect_timeout", "rpc_retry_attempts", "rpc_retry_wait", *map(_key, SETTINGS)}
    cfg = get_config()
    # A URL in the settings would win over a host on the command line.
    is_named = any(word.startswith("--scheduler-") for word in sys.argv)
    if is_named or any(cfg.get("core", name, "") for name in SETTINGS):
        return
    with contextlib.suppress(OceanError):  # no embedded services: Luigi's own default
        cfg.set("core", "default-scheduler-url", config.embedded("luigid_url"))


class Luigid(RemoteScheduler):
    """The luigid at `url`, without a password, because logs and errors show the URL. `login` is (user, password).

    Only `check` raises OceanError; the other methods raise RPCError, as Luigi expects.
    """

    def __init__(self, url: str, login: tuple[str, str] | None = None) -> None:
        super().__init__(url)
        self._fetcher = _Fetcher(url, login)
        # The tasks that this command scheduled and did not report done, as sent to luigid, by task id.
        self._own: dict[str, dict[str, Any]] = {}
        self._batched: dict[str, list[str]] = {}  # by family, the parameters whose tasks Luigi may join to one

    @classmethod
    def at(cls, url: str) -> "Luigid":
        """The luigid at a URL, checked. Raises ServiceDown, ConfigError."""
        luigid = cls(*_address(url))
        luigid.check()
        return luigid

    def check(self) -> None:
        """Checks that luigid answers and accepts our login. Raises ServiceDown, ConfigError."""
        parts = urlsplit(self._url)
        where = f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
        try:
            status = self._fetcher.ask("HEAD", f"{self._url}/", SECONDS_TO_CONNECT).status
        except _Fetcher.raises as error:
            raise ServiceDown(
                f"reach luigid at {where}", http.cause(error), "run `make up`, or add --local-scheduler"
            ) from None
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise ConfigError(
                f"use luigid at {where}",
                f"it answers {status}, so it refuses the password",
                "set OCEAN_LUIGID_PASSWORD to the one that luigid was started with, or add --local-scheduler",
            )

    def add_task_batcher(self, **batcher: Any) -> Any:
        """Notes the parameters of a family whose tasks Luigi may join to one."""
        self._batched[batcher["task_family"]] = batcher["batched_args"]
        return super().add_task_batcher(**batcher)

    def add_task(self, **task: Any) -> Any:
        """Notes a task that this command wants to run, or its new state."""
        if task["status"] in (DONE, DISABLED, UNKNOWN):
            self._own.pop(task["task_id"], None)
        else:
            self._own[task["task_id"]] = task
        return super().add_task(**task)

    def get_work(self, **asked: Any) -> dict[str, Any]:
        """The task to run next, with our own module, family and parameters: luigid's are ignored."""
        for _ in range(MOST_REFUSED):
            answer = super().get_work(**asked)
            named = [*filter(None, [answer.get("task_id")]), *answer.get("batch_task_ids", ())]
            found = {name: answer[name] for name in COUNTS if name in answer} | {"task_id": None}
            if not named:
                return found
            if self._may_run(named):
                return {**found, **self._as_scheduled(answer, named)}
            self._refuse(asked["worker"], named)
        return found

    def _may_run(self, named: list[str]) -> bool:
        """Whether all of these tasks are our own, and several may be joined to one."""
        tasks = [self._own[name] for name in named if name in self._own]
        batched = self._batched.get(tasks[0]["family"], ()) if tasks else ()
        alike = {(task["family"], json.dumps(_without(task["params"], batched), sort_keys=True)) for task in tasks}
        return len(tasks) == len(named) and len(alike) == 1 and (len(named) == 1 or bool(batched))

    def _as_scheduled(self, answer: Mapping[str, Any], named: list[str]) -> dict[str, Any]:
        first = self._own[named[0]]
        task = {"task_family": first["family"], "task_module": first["module"], "task_params": first["params"]}
        if "batch_id" not in answer:
            return {**task, "task_id": named[0]}
        joined = {name: [self._own[each]["params"][name] for each in named] for name in self._batched[first["family"]]}
        params = {**first["params"], **joined}
        return {**task, "task_params": params, "batch_id": answer["batch_id"], "batch_task_ids": named}

    def _refuse(self, worker: str, named: list[str]) -> None:
        """Gives back tasks that this command did not schedule.

        Members of a batch are offered again, ours one by one; others may be joined with tasks of another command.
        """
        for name in named:
            if name in self._own:
                super().add_task(**{**self._own[name], "status": PENDING, "batchable": False})
                continue
            logger.warning("luigid names the task %a, which this command did not schedule; it is not run", name[:200])
            if len(named) == 1:
                why = json.dumps("refused: the command that was to run it did not schedule it")
                super().add_task(worker=worker, task_id=name, status=FAILED, runnable=False, expl=why)


class _Fetcher:
    """The HTTP client of Luigi's client. It sends the login in a header, to luigid alone.

    Its connections stay open, because a load asks luigid some two hundred times.
    """

    raises = http.FAILURES

    def __init__(self, url: str, login: tuple[str, str] | None) -> None:
        self._url = urlsplit(url)
        headers = {"Authorization": basic_auth.header(*login)} if login else {}
        # Servers on this machine are never asked through a proxy.
        self._connections = http.Connections(url, headers, by_proxy=self._url.hostname not in LOOPBACK)

    def fetch(self, full_url: str, body: Mapping[str, str], timeout: float) -> str:
        """The answer to a POST. Raises `raises`, also for an answer that is none of luigid's."""
        answer = self.ask("POST", full_url, timeout, body)
        if answer.status != HTTPStatus.OK:
            raise ConnectionError(http.said(answer))
        return answer.data.decode()

    def ask(self, method: str, url: str, timeout: float, body: Mapping[str, str] | None = None) -> http.Response:
        """The answer to a request, whatever its status."""
        if problem := listener.problem(str(self._url.hostname), self._url.port or 0):
            raise ConnectionRefusedError(problem)
        return self._connections.request(method, url, timeout, body)

    def close(self) -> None:
        """Does nothing: the connections close with the command."""


def _address(url: str) -> tuple[str, tuple[str, str] | None]:
    """The URL without its secrets, and the login: from the URL, the embedded luigid or the environment."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or logins.is_cut(url) or not _has_port(parts):
        because = "its URL is not of the form http://user:password@host:port"
        raise ConfigError("use luigid", because, f"correct --scheduler-url; {logins.ESCAPED}")
    plain = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    if parts.username:
        return plain, (unquote(parts.username), unquote(parts.password or ""))
    if listener.service_at(parts.hostname, parts.port or 0) == "luigid":
        return plain, (config.LUIGID_USER, config.embedded("luigid_password"))
    password = os.environ.get("OCEAN_LUIGID_PASSWORD")
    return plain, (config.LUIGID_USER, password) if password else None


def _has_port(parts: SplitResult) -> bool:
    """Whether the port is a number or missing."""
    try:
        return parts.port is None or parts.port > 0
    except ValueError:
        return False


def _without(params: Mapping[str, str], names: Any) -> dict[str, str]:
    return {name: value for name, value in params.items() if name not in names}


def end(error: OceanError) -> NoReturn:
    """Ends the command with an error outside any task."""
    print(error, file=sys.stderr)
    sys.exit(UNHANDLED)


def _key(name: str) -> str:
    return name.replace("-", "_")
