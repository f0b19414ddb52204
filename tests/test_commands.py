"""A command that is forked from the template is what one of its own Python would be."""

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from support.commands import Forked, kill, start

TELLS = """
import atexit, json, os, random, signal, sys, threading
print(json.dumps({
    "name": __name__,
    "words": sys.argv,
    "folder": os.getcwd(),
    "environment": dict(os.environ),
    "handlers": {str(each): str(signal.getsignal(each)) for each in signal.valid_signals()},
    "blocked": [str(each) for each in signal.pthread_sigmask(signal.SIG_BLOCK, [])],
    "umask": os.umask(0),
    "streams": [[each.fileno(), each.encoding, each.line_buffering] for each in (sys.stdin, sys.stdout, sys.stderr)],
    "files": len(os.listdir("/dev/fd")),
    "leads": os.getpid() == os.getpgid(0) == os.getsid(0),
    "threads": threading.active_count(),
    "random": random.random(),
}))
print("an error", file=sys.stderr)
atexit.register(print, "the end")
if sys.argv[1] == "killed":
    sys.stdout.flush()
    os.kill(os.getpid(), signal.SIGKILL)
sys.exit(int(sys.argv[1]))
"""


@pytest.fixture
def script(tmp_path: Path) -> str:
    path = tmp_path / "tells.py"
    path.write_text(TELLS)
    return str(path)


def told(script: str, end: str, *, fresh: bool) -> tuple[dict[str, Any], list[str], str, int]:
    """What a command says of itself, the rest of its output, its errors, and its exit code."""
    process = start((script, end, "a word"), {"OCEAN_MART": "0"}, fresh=fresh, errors_apart=True)
    assert isinstance(process, Forked) != fresh
    output, errors = process.communicate(timeout=60)
    first, *rest = output.splitlines()
    return json.loads(first), rest, errors, process.returncode


@pytest.mark.parametrize("end", ["0", "30", "killed"])
def test_a_forked_command_is_as_one_of_its_own_python(script: str, end: str) -> None:
    forked, own = (told(script, end, fresh=fresh) for fresh in (False, True))
    assert forked[0].pop("random") != own[0].pop("random")
    assert forked == own
    assert own[0]["leads"]
    assert own[-1] == (-signal.SIGKILL if end == "killed" else int(end))


def test_two_forked_commands_share_no_random_numbers(script: str) -> None:
    one, other = (told(script, "0", fresh=False)[0] for _ in range(2))
    assert one.pop("random") != other.pop("random")
    assert one == other


def test_a_command_with_a_variable_that_python_or_a_library_may_read_has_its_own_python(script: str) -> None:
    for name in ("PYTHONPATH", "AWS_PROFILE", "PGSSLMODE", "LUIGI_CONFIG_PATH", "TZ"):
        process = start((script, "0"), {name: "other"})
        assert isinstance(process, subprocess.Popen), name
        process.communicate()


def test_a_forked_command_is_waited_for_stopped_and_killed(tmp_path: Path) -> None:
    path = tmp_path / "waits.py"
    path.write_text("import sys\nprint('begun', flush=True)\nsys.stdin.read() or __import__('signal').pause()")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
        process = start([str(path)])
        assert process.stdout
        assert process.stdout.readline() == "begun\n"
        assert process.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            process.communicate(timeout=0.01)
        process.send_signal(number)
        output, _ = process.communicate(timeout=60)
        assert process.returncode == -number
        assert ("KeyboardInterrupt" in output) == (number == signal.SIGINT)
        kill(process)  # which has ended
