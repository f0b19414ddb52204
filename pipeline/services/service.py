"""What the embedded services share: how one is found, started, waited for and stopped."""

import http.client
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import psutil

from pipeline.kernel import listener
from pipeline.kernel.errors import ServiceFailed
from pipeline.services.access import Access
from pipeline.services.state_folder import make_folder

HOST = "127.0.0.1"
SECONDS_TO_START = 300  # the recovery of a database after a crash included
POLL_SECONDS = 0.02
SECONDS_REFUSED = 5  # before it is believed that a server that runs lets nobody in, whatever it is waited
START_ATTEMPTS = 3
LOG_LINES_IN_ERROR = 10


class Service(ABC):
    """One server on 127.0.0.1. Its methods expect to be alone: the caller holds the lock of `home`."""

    name: ClassVar[str]
    preferred_port: ClassVar[int]
    # Asked politely first; each signal with the seconds that it is given.
    stop_signals: ClassVar[tuple[tuple[signal.Signals, float], ...]] = (
        (signal.SIGTERM, 10),
        (signal.SIGKILL, 10),
    )

    def __init__(self, home: Path, access: Access) -> None:
        self.home = home
        self.access = access
        self.folder = home / self.name
        self.log = home / "log" / f"{self.name}.log"

    @abstractmethod
    def is_ours(self, arguments: list[str]) -> bool:
        """Whether a process with this command line serves our data, whatever its port."""

    @abstractmethod
    def launch(self) -> subprocess.Popen[bytes]:
        """Starts the server at `self.port` and does not wait for it."""

    @abstractmethod
    def lets_in(self) -> bool:
        """Whether the server at our port, which is one of our own user, is this one and lets our client in."""

    def has_started(self) -> bool:
        """Whether a server that was launched is ready for what `start` still has to do."""
        return self.answers()

    def refuses(self) -> str | None:
        """Why a server that was launched and is not ready lets us in no sooner for being waited for, as it says."""
        return None

    def may_start_again(self) -> bool:
        """Whether a server that ended while it started may do better the next time; `self.log` says how it ended."""
        return False

    @property
    def port(self) -> int:
        """The port of services.json."""
        return self.access.ports[self.name]

    @property
    def address(self) -> str:
        """Host and port."""
        return f"{HOST}:{self.port}"

    def processes(self) -> list[psutil.Process]:
        """The server's processes; a zombie has no command line and is none."""
        # The owner of a process is asked for last, of the few that are named so: a machine may have many others.
        named = [p for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] and self.is_ours(p.info["cmdline"])]
        users = self.users if named else frozenset()
        return [process for process in named if _user(process) in users]

    @property
    def users(self) -> frozenset[int]:
        """Whose processes and sockets the server's are; anybody may start a program with the same arguments."""
        return listener.users(self.name, self.home)

    def runs(self) -> bool:
        """Whether the server does its work."""
        return bool(self.processes()) and self.answers()

    def answers(self) -> bool:
        """Whether the server at our port is ours and lets our client in. A foreign one hears no password."""
        return listener.foreign(self.port, self.users) is None and self.lets_in()

    def listens(self) -> bool:
        """Whether our process has the port, for servers that no password tells from another one there."""
        try:
            sockets = [socket for process in self.processes() for socket in process.net_connections("tcp")]
        except psutil.Error:
            return False
        return any(socket.laddr.port == self.port and socket.status == psutil.CONN_LISTEN for socket in sockets)

    def up(self) -> bool:
        """The server runs; returns whether it had to be started. Raises ServiceFailed."""
        if self.runs():
            return False
        self.down()
        self.start()
        return True

    def start(self) -> None:
        """Starts the server, at another port when the one of services.json is taken, and waits for it.

        One that may do better the next time is started again.

        Raises ServiceFailed with the end of the log when it ends or does not answer.
        """
        make_folder(self.folder)
        for _ in range(START_ATTEMPTS):
            if not _is_free(self.port):
                self.access.ports[self.name] = _free_port()
                # Who has the old port may have been told them, by an earlier version that did not look who it is.
                self.access.renew(self.name)
            self.access.save()
            problem = self._wait_for(self.launch())
            if problem is None:
                return
            self.down()
            # Another program was quicker at that port, and may be gone again.
            has_port = _is_free(self.port) and "in use" not in self._end_of_log()
            if has_port and not self.may_start_again():
                break
        raise ServiceFailed(
            f"start {self.name} at {self.address}", f"it {problem}; {self._end_of_log()}", f"see {self.log}"
        )

    def renew(self) -> None:
        """What opens the service becomes new with the next `save` of the access and the next `up`."""
        self.access.renew(self.name)

    def down(self) -> None:
        """None of the server's processes is left. Raises ServiceFailed when one cannot be stopped."""
        for number, seconds in self.stop_signals:
            processes = self.processes()
            for process in processes:
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(number)
            deadline = time.monotonic() + seconds
            # All processes of the machine are looked through only once those that had the signal are gone.
            while (any(map(_lives, processes)) or (processes := self.processes())) and time.monotonic() < deadline:
                time.sleep(POLL_SECONDS)
        if left := self.processes():
            raise ServiceFailed(f"stop {self.name}", f"process {left[0].pid} does not end", "end it by hand")

    def spawn(
        self, command: list[str], *, env: Mapping[str, str] | None = None, cwd: Path = Path("/"), **user: Any
    ) -> subprocess.Popen[bytes]:
        """Starts a command that outlives us, writing to a new log; the log of the start before is kept beside it."""
        make_folder(self.log.parent)
        with suppress(FileNotFoundError):
            self.log.replace(self.log.with_suffix(".log.old"))
        with self.log.open("wb") as log:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=env,
                cwd=cwd,
                **user,
            )

    def _wait_for(self, process: subprocess.Popen[bytes]) -> str | None:
        """None once the server has started, else what went wrong."""
        lets_in = time.monotonic()  # or did not say yet that it does not
        deadline = lets_in + SECONDS_TO_START
        while time.monotonic() < deadline:
            if process.poll() is not None:
                return f"ended with exit code {process.returncode}"
            if self.has_started():
                return None
            refusal = self.refuses()
            if not refusal:
                lets_in = time.monotonic()
            elif time.monotonic() > lets_in + SECONDS_REFUSED:
                return f"lets nobody in: {refusal}"
            time.sleep(POLL_SECONDS)
        return f"did not answer within {SECONDS_TO_START} seconds"

    def _end_of_log(self) -> str:
        lines = self.log.read_text(errors="replace").split("\n") if self.log.exists() else []
        lines = [line.strip() for line in lines if line.strip()][-LOG_LINES_IN_ERROR:]
        return f"its log ends with: {' | '.join(lines)}" if lines else "its log is empty"


def _user(process: psutil.Process) -> int | None:
    """Whose process it is; None once it is gone."""
    try:
        user: int = process.uids().real
        return user
    except psutil.Error:
        return None


def _lives(process: psutil.Process) -> bool:
    """Whether it has not ended. One that waits for whoever started it to take note of its end has."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def http_request(method: str, port: int, path: str, headers: Mapping[str, str]) -> tuple[int, bytes] | None:
    """Status and body of the answer at 127.0.0.1, never by way of a proxy; None when there is no answer."""
    connection = http.client.HTTPConnection(HOST, port, timeout=2)
    try:
        connection.request(method, path, headers=dict(headers))
        response = connection.getresponse()
        return response.status, response.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def require_program(path: Path, service: str, remedy: str = "make env") -> Path:
    """`path`, which exists. Raises ServiceFailed for a package that is not installed."""
    if not path.is_file():
        raise ServiceFailed(f"start {service}", f"{path} does not exist", f"install the environment with `{remedy}`")
    return path


def _is_free(port: int) -> bool:
    # Binding alone does not tell: macOS lets a bind to 127.0.0.1 take a port away from a server on all addresses.
    with socket.socket() as client:
        if client.connect_ex((HOST, port)) == 0:
            return False
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):
            server.bind((HOST, port))
            return True
    return False


def _free_port() -> int:
    with socket.socket() as server:
        server.bind((HOST, 0))
        port: int = server.getsockname()[1]
        return port
