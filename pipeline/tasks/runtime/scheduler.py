"""The luigid that a command talks to: which one, with what password, and how far it is obeyed.

It says when a task runs. Which tasks, and what they are, is what the command scheduled itself: a task is loaded by its
module and family, so whoever may name one may run anything.
"""

import contextlib
import http.client
import json
import logging
import os
import sys
from collections.abc import Mapping
from typing import Any, NoReturn
from urllib.error import HTTPError
from urllib.parse import SplitResult, unquote, urlencode, urlsplit
from urllib.request import ProxyHandler, Request, build_opener

from luigi.configuration import get_config
from luigi.interface import core
from luigi.rpc import RemoteScheduler
from luigi.scheduler import DISABLED, DONE, FAILED, PENDING, UNKNOWN

from pipeline.kernel import basic_auth, config, listener, logins
from pipeline.kernel.errors import ConfigError, OceanError, ServiceDown
from pipeline.kernel.listener import LOOPBACK

logger = logging.getLogger("luigi-interface")

UNHANDLED = 40  # the exit code that luigi.cfg gives what no task is to blame for
SETTINGS = {"default-scheduler-url", "default-scheduler-host", "default-scheduler-port"}
SECONDS_TO_CONNECT = 1
MOST_REFUSED = 100  # tasks of others in a row, before a worker takes it that there is nothing for it to do
# What luigid says beside the task to run.
COUNTS = ("n_pending_tasks", "n_unique_pending", "n_pending_last_scheduled", "running_tasks", "worker_state")


def use_embedded() -> None:
    """Points Luigi at the embedded luigid, whose port may not be 8082 if somebody else's server has that one."""
    # The settings of luigi.rpc share a section with those of luigi.core, which would warn of each.
    core.ignore_unconsumed |= {"rpc_connect_timeout", "rpc_retry_attempts", "rpc_retry_wait", *map(_key, SETTINGS)}
    cfg = get_config()
    # A URL of the settings would win over a host of the command line.
    is_named = any(word.startswith("--scheduler-") for word in sys.argv)
    if is_named or any(cfg.get("core", name, "") for name in SETTINGS):
        return
    with contextlib.suppress(OceanError):  # no embedded services: Luigi's own default
        cfg.set("core", "default-scheduler-url", config.embedded("luigid_url"))


class Luigid(RemoteScheduler):
    """The luigid at `url`, which holds no password: it shows in logs and errors. `login` is (user, password).

    Raises OceanError from `check` alone; afterwards RPCError, as Luigi expects it.
    """

    def __init__(self, url: str, login: tuple[str, str] | None = None) -> None:
        super().__init__(url)
        self._fetcher = _Fetcher(login)
        # What this command scheduled and did not call done, as it told luigid, by task id.
        self._own: dict[str, dict[str, Any]] = {}
        self._batched: dict[str, list[str]] = {}  # by family, the parameters of which Luigi may make one task

    @classmethod
    def at(cls, url: str) -> "Luigid":
        """The luigid at a URL, which answers and lets us in. Raises ServiceDown, ConfigError."""
        luigid = cls(*_address(url))
        luigid.check()
        return luigid

    def check(self) -> None:
        """Returns when luigid answers and lets us in. Raises ServiceDown, ConfigError."""
        parts = urlsplit(self._url)
        where = f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
        try:
            self._fetcher.ask("HEAD", f"{self._url}/", None, SECONDS_TO_CONNECT)
        except HTTPError as error:
            if error.code in (401, 403):
                raise ConfigError(
                    f"use luigid at {where}",
                    f"it answers {error.code}, so it refuses the password",
                    "set OCEAN_LUIGID_PASSWORD to the one that luigid was started with, or add --local-scheduler",
                ) from None
        except _Fetcher.raises as error:
            because = str(getattr(error, "reason", error))
            raise ServiceDown(f"reach luigid at {where}", because, "run `make up`, or add --local-scheduler") from None

    def add_task_batcher(self, **batcher: Any) -> Any:
        """Notes of which parameters of a family Luigi may make one task."""
        self._batched[batcher["task_family"]] = batcher["batched_args"]
        return super().add_task_batcher(**batcher)

    def add_task(self, **task: Any) -> Any:
        """Notes what this command wants to run, or what became of it."""
        if task["status"] in (DONE, DISABLED, UNKNOWN):
            self._own.pop(task["task_id"], None)
        else:
            self._own[task["task_id"]] = task
        return super().add_task(**task)

    def get_work(self, **asked: Any) -> dict[str, Any]:
        """The task that is to run next, as this command scheduled it, whatever luigid makes of it."""
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
        """Whether all of these are our own, and several may be one task."""
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
        """Gives back what this command did not schedule.

        Members of a batch are given out again, ours then one by one; they may be joined with those of another command.
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
    """How Luigi's client asks, with the login in a header that goes to luigid alone."""

    raises = (OSError, http.client.HTTPException)  # URLError and timeouts are OSErrors

    def __init__(self, login: tuple[str, str] | None) -> None:
        self._login = login

    def fetch(self, full_url: str, body: Mapping[str, str], timeout: float) -> str:
        """The answer to a POST."""
        return self.ask("POST", full_url, urlencode(body).encode(), timeout)

    def ask(self, method: str, url: str, body: bytes | None, timeout: float) -> str:
        """The answer to a request."""
        request = Request(url, body, method=method)  # noqa: S310 (the scheme was looked at)
        if self._login:
            request.add_unredirected_header("Authorization", basic_auth.header(*self._login))
        parts = urlsplit(url)
        if problem := listener.problem(str(parts.hostname), parts.port or 0):
            raise ConnectionRefusedError(problem)
        # What listens on this machine is never asked by way of a proxy.
        opener = build_opener(*[ProxyHandler({})] * (parts.hostname in LOOPBACK))
        with opener.open(request, timeout=timeout) as answer:
            text: str = answer.read().decode()
        return text

    def close(self) -> None:
        """Nothing is kept open."""


def _address(url: str) -> tuple[str, tuple[str, str] | None]:
    """The URL without what is secret in it, and the login: of the URL, the embedded luigid or the environment."""
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
    """Whether the port is a number, or left out."""
    try:
        return parts.port is None or parts.port > 0
    except ValueError:
        return False


def _without(params: Mapping[str, str], names: Any) -> dict[str, str]:
    return {name: value for name, value in params.items() if name not in names}


def end(error: OceanError) -> NoReturn:
    """Ends the command with an error that no task is to blame for."""
    print(error, file=sys.stderr)
    sys.exit(UNHANDLED)


def _key(name: str) -> str:
    return name.replace("-", "_")
