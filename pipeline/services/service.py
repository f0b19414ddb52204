"""The base of the embedded services: how to find, start, wait for and stop one."""

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
SECONDS_TO_START = 300  # includes the recovery of a database after a crash
POLL_SECONDS = 0.02
SECONDS_REFUSED = 5  # a running server that refuses logins for so long, and not for a reason that passes, has failed
START_ATTEMPTS = 3
LOG_LINES_IN_ERROR = 10


class Service(ABC):
    """One server on 127.0.0.1. The caller of its methods holds the lock of `home`."""

    name: ClassVar[str]
    preferred_port: ClassVar[int]
    # SIGTERM first. Each signal with the seconds to wait after it.
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
        """Whether a process with this command line serves our data, at any port."""

    @abstractmethod
    def launch(self) -> subprocess.Popen[bytes]:
        """Starts the server at `self.port` without waiting for it."""

    @abstractmethod
    def lets_in(self) -> bool:
        """Whether the server at our port is this one and accepts our login. Its user is known to be ours."""

    def has_started(self) -> bool:
        """Whether a launched server is ready for the rest of `start`."""
        return self.answers()

    def refuses(self) -> str | None:
        """The server's own reason why it will not let us in, however long we wait; None without one."""
        return None

    def may_start_again(self) -> bool:
        """Whether another start may help after the server ended during a start; `self.log` has the reason."""
        return False

    @property
    def port(self) -> int:
        """The port in services.json."""
        return self.access.ports[self.name]

    @property
    def address(self) -> str:
        """Host and port."""
        return f"{HOST}:{self.port}"

    def processes(self) -> list[psutil.Process]:
        """The server's processes. A zombie has no command line and does not count."""
        # Asks for the user last, of the few processes with a matching command: a machine may have many others.
        named = [p for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] and self.is_ours(p.info["cmdline"])]
        users = self.users if named else frozenset()
        return [process for process in named if _user(process) in users]

    @property
    def users(self) -> frozenset[int]:
        """The users of the server's processes and sockets; anybody may start a program with the same arguments."""
        return listener.users(self.name, self.home)

    def runs(self) -> bool:
        """Whether the server has a process and answers."""
        return bool(self.processes()) and self.answers()

    def answers(self) -> bool:
        """Whether the server at our port is ours and accepts our login. Another user's server gets no password."""
        return listener.foreign(self.port, self.users) is None and self.lets_in()

    def listens(self) -> bool:
        """Whether our process has the port. For servers that no password tells from another program at that port."""
        try:
            sockets = [socket for process in self.processes() for socket in process.net_connections("tcp")]
        except psutil.Error:
            return False
        return any(socket.laddr.port == self.port and socket.status == psutil.CONN_LISTEN for socket in sockets)

    def up(self) -> bool:
        """Starts the server unless it runs; returns whether it had to be started. Raises ServiceFailed."""
        if self.runs():
            return False
        self.down()
        self.start()
        return True

    def start(self) -> None:
        """Starts the server and waits for it. Takes another port if the one in services.json is taken.

        Starts it again if another start may help.

        Raises ServiceFailed with the end of the log if the server ends or does not answer.
        """
        make_folder(self.folder)
        for _ in range(START_ATTEMPTS):
            if not _is_free(self.port):
                self.access.ports[self.name] = _free_port()
                # An earlier version, which did not check the server's user, may have sent them to the port's new owner.
                self.access.renew(self.name)
            self.access.save()
            problem = self._wait_for(self.launch())
            if problem is None:
                return
            self.down()
            # Another program may have taken the port first and released it again.
            has_port = _is_free(self.port) and "in use" not in self._end_of_log()
            if has_port and not self.may_start_again():
                break
        raise ServiceFailed(
            f"start {self.name} at {self.address}", f"it {problem}; {self._end_of_log()}", f"see {self.log}"
        )

    def renew(self) -> None:
        """Makes new secrets for the service. The next `save` of the access and the next `up` apply them."""
        self.access.renew(self.name)

    def down(self) -> None:
        """Stops all processes of the server. Raises ServiceFailed if one cannot be stopped."""
        for number, seconds in self.stop_signals:
            processes = self.processes()
            for process in processes:
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(number)
            deadline = time.monotonic() + seconds
            # Looks through all processes of the machine only after those that got the signal are gone.
            while (any(map(_lives, processes)) or (processes := self.processes())) and time.monotonic() < deadline:
                time.sleep(POLL_SECONDS)
        if left := self.processes():
            raise ServiceFailed(f"stop {self.name}", f"process {left[0].pid} does not end", "end it by hand")

    def spawn(
        self, command: list[str], *, env: Mapping[str, str] | None = None, cwd: Path = Path("/"), **user: Any
    ) -> subprocess.Popen[bytes]:
        """Starts a command that outlives us, with a new log; keeps the log of the start before it."""
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
        """None once the server has started, otherwise the problem."""
        lets_in = time.monotonic()  # the last time at which it did not refuse
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
    """The user of a process; None once it is gone."""
    try:
        user: int = process.uids().real
        return user
    except psutil.Error:
        return None


def _lives(process: psutil.Process) -> bool:
    """Whether the process has not ended. A zombie has."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def http_request(method: str, port: int, path: str, headers: Mapping[str, str]) -> tuple[int, bytes] | None:
    """Status and body of the answer at 127.0.0.1, never through a proxy; None without an answer."""
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
    """Returns `path`. Raises ServiceFailed if it does not exist, because its package is not installed."""
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
