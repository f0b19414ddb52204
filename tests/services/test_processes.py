"""How the embedded services look for their processes among all others of the machine."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from pipeline.services.access import Access
from pipeline.services.service import Service

# Says that it is there, and hears no polite signal.
SERVER = (
    "import signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); sys.stdin.read()"
)


class Server(Service):
    """A process that serves a folder, as its command line says, and only ends when it is killed."""

    name = "server"
    preferred_port = 0
    stop_signals = ((signal.SIGTERM, 0.5), (signal.SIGKILL, 10))

    def is_ours(self, arguments: list[str]) -> bool:
        return arguments[-1] == str(self.folder)

    def launch(self) -> subprocess.Popen[bytes]:
        raise NotImplementedError

    def lets_in(self) -> bool:
        raise NotImplementedError


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[Server, psutil.Process]]:
    found = Server(tmp_path, Access.read(tmp_path, {"server": 0}))
    command = [sys.executable, "-c", SERVER, str(found.folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield found, psutil.Process(process.pid)
        process.kill()


def recorded(patch: pytest.MonkeyPatch, owner: Any, name: str) -> list[Any]:
    """What the first argument of each call of a function is, from now on."""
    calls: list[Any] = []
    called: Callable[..., Any] = getattr(owner, name)

    def record(first: Any, *more: Any) -> Any:
        calls.append(first)
        return called(first, *more)

    patch.setattr(owner, name, record)
    return calls


def test_every_process_of_the_machine_is_asked_for_its_command_line_alone(
    server: tuple[Server, psutil.Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    service, process = server
    scans = recorded(monkeypatch, psutil, "process_iter")
    assert service.processes() == [process]
    assert scans == [["cmdline"]]


def test_a_process_of_another_user_is_not_ours(
    server: tuple[Server, psutil.Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Server, "users", frozenset({os.getuid() + 1}))
    assert server[0].processes() == []


def test_a_stop_does_not_look_at_all_processes_while_the_one_that_is_to_end_is_there(
    server: tuple[Server, psutil.Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    service, process = server
    scans = recorded(monkeypatch, psutil, "process_iter")
    service.down()
    assert process.status() == psutil.STATUS_ZOMBIE
    # Before each of the two signals, after the second one's end, and once more for what is left.
    assert len(scans) == 4
