"""Commands of the project as processes.

Most are forked from a template (support.template) that has imported what they import: signals, exit codes, output and
environment are those of a process of its own Python, which costs half a second more. That one is started where there is
a difference: where a test asks for it, and where the environment has more than settings of the pipeline, since Python
and libraries may read the rest when they start.
"""

import atexit
import json
import os
import re
import selectors
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import IO, Any

from pipeline.kernel.settings import every_setting
from support.environment import ENVIRONMENT, changed

ROOT = Path(__file__).parents[2]
LUIGI = str(Path(sys.executable).parent / "luigi")
# Why a command that failed did so, in the pipeline's own words.
NAMED = re.compile(r"cannot .+, because .+; |It was cut short: ")
KILLED = -9
READ_LATE = {"OCEAN_LUIGID_PASSWORD", *(setting.environment for setting in every_setting())}
NUMBER = struct.Struct("i")


@dataclass
class Forked:
    """A command that the template has forked: what tests use of subprocess.Popen."""

    connection: socket.socket  # tells the exit code
    pid: int
    stdout: IO[str]
    stderr: IO[str] | None
    returncode: Any = None  # as that of Popen
    _read: dict[str, bytes] = field(default_factory=lambda: {"stdout": b"", "stderr": b""})

    def poll(self) -> Any:
        """The exit code; None while it runs."""
        if self.returncode is None and _has_news(self.connection, 0):
            self.returncode = _number(self.connection)
            self.connection.close()
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Output and errors to their end. Raises TimeoutExpired; the next call then has what was read so far."""
        until = None if timeout is None else time.monotonic() + timeout
        for name in self._read:
            stream: IO[str] | None = getattr(self, name)
            while stream and not stream.closed:
                self._wait(stream, until)
                if read := os.read(stream.fileno(), 1 << 16):
                    self._read[name] += read
                else:
                    stream.close()
        while self.poll() is None:
            self._wait(self.connection, until)
        return self._read["stdout"].decode(), self._read["stderr"].decode()

    def send_signal(self, number: int) -> None:
        """Sends a signal, where it has not ended."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def _wait(self, for_: IO[str] | socket.socket, until: float | None) -> None:
        seconds = None if until is None else max(until - time.monotonic(), 0)
        if not _has_news(for_, seconds):
            raise subprocess.TimeoutExpired(f"process {self.pid}", seconds or 0)


Process = subprocess.Popen[str] | Forked


def kill(process: Process) -> None:
    """Kills a command with its workers, where it has not ended."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def start(
    words: Sequence[str],
    environment: Mapping[str, str] | None = None,
    *,
    now: datetime | None = None,
    fault: str = "",
    fresh: bool = False,
    errors_apart: bool = False,
) -> Process:
    """Starts a command in a process group of its own: a script of Python, or -m and a module.

    `now` is what the source's clock says, `fault` what support.injected is told. A `fresh` one has a Python of its own.
    """
    wanted = {**os.environ, **(environment or {})}
    if not fresh and READ_LATE.issuperset(changed(wanted)):
        return template().fork(words, wanted, now, fault, errors_apart)
    alone = not now and not fault
    assert alone, f"only a forked command can have a clock or a fault, and no other {changed(wanted)}"
    return subprocess.Popen(
        [sys.executable, *words],
        cwd=ROOT,
        env=wanted,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if errors_apart else subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


class Template:
    """The process of support.template, which runs until the tests end."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._requests, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "support.template", str(theirs.fileno())],
                cwd=ROOT,
                env={**environment, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])},
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )

    def end(self) -> None:
        """Ends it."""
        self._requests.close()
        self._process.wait()

    def fork(
        self,
        words: Sequence[str],
        environment: Mapping[str, str],
        now: datetime | None,
        fault: str,
        errors_apart: bool,
    ) -> Forked:
        """A process of its own for a command."""
        connection, theirs = socket.socketpair()
        pipes = [os.pipe() for _ in range(1 + errors_apart)]
        with theirs:
            socket.send_fds(self._requests, [b"\0"], [theirs.fileno(), *(write for _, write in pipes)])
        for _, write in pipes:
            os.close(write)
        request = {
            "words": words,
            "environment": dict(environment),
            "cwd": str(ROOT),
            "now": now and now.isoformat(),
            "fault": fault,
        }
        connection.sendall(json.dumps(request).encode() + b"\n")
        output, errors = [*(os.fdopen(read, encoding="utf-8") for read, _ in pipes), None][:2]
        assert output
        return Forked(connection, _number(connection), output, errors)


@cache
def template() -> Template:
    """The template of this process."""
    made = Template(ENVIRONMENT)
    atexit.register(made.end)
    return made


def _number(connection: socket.socket) -> int:
    return int(NUMBER.unpack(connection.recv(NUMBER.size, socket.MSG_WAITALL))[0])


def _has_news(source: IO[str] | socket.socket, seconds: float | None) -> bool:
    """Whether there is something to read, be it the end, within so many seconds."""
    with selectors.DefaultSelector() as selector:
        selector.register(source, selectors.EVENT_READ)
        return bool(selector.select(seconds))
