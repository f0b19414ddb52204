"""Commands in a pseudo-terminal, and what its screen shows."""

import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from support.commands import ROOT

# What our commands may write besides text: up so many lines, clear to the end of the screen, colours.
PARTS = re.compile(r"\x1b\[(?P<number>[\d;]*)(?P<command>[A-Za-z])|(?P<end>[\r\n])|(?P<text>[^\x1b\r\n])")
SECONDS = 120


class Terminal:
    """A command on a terminal of its own, which controls it."""

    def __init__(self, words: list[str], environment: Mapping[str, str], columns: int) -> None:
        self._ours, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        modes = termios.tcgetattr(theirs)
        modes[3] &= ~termios.ECHO  # keys that a test types are not shown
        termios.tcsetattr(theirs, termios.TCSANOW, modes)
        self.process = subprocess.Popen(
            [sys.executable, *words],
            cwd=ROOT,
            env={**os.environ, "TERM": "xterm", "PYTHONUNBUFFERED": "", **environment},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(theirs)
        self.output = b""

    def until(self, text: str) -> None:
        """Reads until the command has written a text."""
        end = time.monotonic() + SECONDS
        while text not in without_colours(self.output.decode(errors="replace")):
            assert select.select([self._ours], [], [], max(end - time.monotonic(), 0))[0], self.output.decode()
            assert self._read(), self.output.decode()

    def rest(self) -> str:
        """Reads to the end of the command; returns all that it has written."""
        while self._read():
            pass
        self.process.wait(SECONDS)
        return self.output.decode()

    def type(self, keys: str) -> None:
        """Types keys."""
        os.write(self._ours, keys.encode())

    def close(self) -> None:
        """Kills what is left of the command."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        os.close(self._ours)

    def _read(self) -> bytes:
        try:
            read = os.read(self._ours, 1 << 16)
        except OSError:  # nobody has the terminal any more
            read = b""
        self.output += read
        return read


@contextmanager
def terminal(
    words: list[str], environment: Mapping[str, str] | None = None, *, columns: int = 100
) -> Iterator[Terminal]:
    """A command on a terminal, which is killed at the end of the block."""
    made = Terminal(words, environment or {}, columns)
    try:
        yield made
    finally:
        made.close()


def without_colours(text: str) -> str:
    """A text without its colours."""
    return re.sub(r"\x1b\[[\d;]*m", "", text)


def frames(output: str) -> list[list[str]]:
    """The live blocks that were drawn, each with its lines."""
    pieces = re.findall(r"\x1b\[J((?:[^\x1b]|\x1b\[[\d;]*m)*?)\r(?:\x1b\[\d+A)?(?=\x1b\[J)", output)
    return [without_colours(piece).replace("\r", "").split("\n") for piece in pieces if piece]


def screen(output: str, columns: int = 100) -> list[str]:
    """The lines that a terminal of any height shows in the end."""
    lines, row, column = [""], 0, 0
    for part in PARTS.finditer(output):
        number, command, end, text = part.group("number", "command", "end", "text")
        if command == "A":
            row -= int(number or 1)
            assert row >= 0
        elif command == "J":
            lines = [*lines[:row], lines[row][:column]]
        elif end == "\r":
            column = 0
        elif end or (text and column == columns):
            row, column = row + 1, 0 if text else column
            lines += [""] * (row + 1 - len(lines))
        else:
            assert text or command == "m", part
        if text:
            lines[row] = f"{lines[row][:column]:<{column}}{text}{lines[row][column + 1 :]}"
            column += 1
    return [line.rstrip() for line in lines]
