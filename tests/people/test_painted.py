"""Colours of reports: on a terminal alone, and no word more or less than in a pipe."""

import os
import pty
import re
import subprocess
import sys

import pytest

REPORT = """ok    settings   luigi.cfg and environment are understood
warn  disk       [red]5 % of /data is free[/red]
      do: delete what nobody needs
error S3         cannot reach it
date        extract  stage
----------  -------  --------
2026-01-03  done     failed 2
"""
CODE = f"from pipeline.people import painted; painted.show({REPORT!r})"
ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


def on_terminal(**environment: str) -> str:
    """What a terminal gets."""
    master, slave = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", CODE], stdout=slave, stdin=slave, env={**os.environ, "TERM": "xterm", **environment}
    ):
        os.close(slave)
        found = b""
        try:
            while data := os.read(master, 1 << 16):
                found += data
        except OSError:  # how a terminal ends
            pass
    os.close(master)
    return found.decode().replace("\r\n", "\n")


def test_a_terminal_gets_colours_and_the_same_words() -> None:
    painted = on_terminal()
    assert ESCAPE.sub("", painted) == f"{REPORT}\n"
    assert "\x1b[32mok\x1b[0m" in painted
    assert "\x1b[1;31merror\x1b[0m" in painted
    assert "\x1b[1;31mfailed 2\x1b[0m" in painted


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {"TERM": ""}])
def test_who_wants_no_colours_gets_none(environment: dict[str, str]) -> None:
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]m", on_terminal(**environment))


def test_a_pipe_gets_the_report_and_no_more() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert done.stdout == f"{REPORT}\n"
