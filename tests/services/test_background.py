"""Programs in the background of a home: `down` ends them with all that they started, and those of no other home."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from pipeline import demo_forecast
from pipeline.services import background

# Says when it has started a program of its own, and stays until it is stopped.
PROGRAM = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
print(child.pid, flush=True)
child.wait()
"""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A module that may run in the background."""
    (tmp_path / "stays.py").write_text(PROGRAM)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(background, "PROGRAMS", ("stays",))
    yield "stays"
    for home in ("one", "two"):
        background.stop(tmp_path / home)


def child_of(log: Path) -> psutil.Process:
    """The process that the program has started, once it says so."""
    with subprocess.Popen(["tail", "-f", str(log)], stdout=subprocess.PIPE, text=True) as follow:
        assert follow.stdout is not None
        pid = int(follow.stdout.readline())
        follow.kill()
    return psutil.Process(pid)


def test_down_ends_those_of_its_home_with_all_that_they_started(program: str, tmp_path: Path) -> None:
    children = []
    for name in ("one", "two"):
        log = tmp_path / f"{name}.log"
        background.start(tmp_path / name, program, log)
        children.append(child_of(log))
        assert log.stat().st_mode & 0o777 == 0o600
    background.stop(tmp_path / "one")
    children[0].wait(10)
    assert children[1].is_running()
    background.stop(tmp_path / "one")  # nothing is left


def test_what_only_looks_like_one_is_left_alone(program: str, tmp_path: Path) -> None:
    words = [sys.executable, "-c", "import sys; sys.stdin.read()", "-m", program, str(tmp_path / "one")]
    with subprocess.Popen(words, stdin=subprocess.PIPE) as other:
        background.stop(tmp_path / "one")
        assert other.poll() is None
        other.kill()


def test_the_demos_program_is_among_them() -> None:
    assert demo_forecast.PROGRAM in background.PROGRAMS
