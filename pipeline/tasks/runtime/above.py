"""Output above a live block: what a process writes takes the block's place, and the block is drawn again below it."""

import io
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from mmap import mmap
from typing import Any

CLEAR = b"\x1b[J"  # from the cursor to the end of the screen


class Screen:
    """The lines below the cursor of a terminal.

    The cursor waits at the beginning of the block and is never hidden. So a kill leaves a terminal that is usable, and
    each process may write without asking where the block is: clearing to the end of the screen removes it.
    """

    def __init__(self, terminal: int) -> None:
        self.terminal = terminal
        self._drawn = mmap(-1, 1)  # shared with the processes that are forked: whether there was a block
        self.in_line = False  # this process has written a part of a line

    @property
    def size(self) -> os.terminal_size:
        """Columns and lines of the terminal now. Some terminals say that they have none."""
        found = os.get_terminal_size(self.terminal)
        return os.terminal_size((found.columns or 80, found.lines or 24))

    @property
    def is_ours(self) -> bool:
        """Whether the command is the one that the terminal's user waits for, and not in the background."""
        try:
            return os.tcgetpgrp(self.terminal) == os.getpgrp()
        except OSError:  # it is not the terminal that controls the command
            return True

    def draw(self, lines: list[str]) -> None:
        """Shows lines, none wider than the terminal, in place of those before. Writes all at once."""
        if self.in_line or not self.is_ours:
            return
        self._drawn[0] = 1
        back = f"\r\x1b[{len(lines) - 1}A" if len(lines) > 1 else "\r"
        _write(self.terminal, CLEAR + ("\n".join(lines) + back).encode(errors="replace"))

    def erase(self) -> None:
        """Removes the block."""
        if self._drawn[0] and self.is_ours:
            _write(self.terminal, CLEAR)
        self._drawn[0] = 0

    def write(self, file: int, data: bytes) -> None:
        """Writes what is not the block to a file of the terminal."""
        _write(file, (CLEAR if self._drawn[0] else b"") + data)
        self.in_line = not data.endswith(b"\n")


@contextmanager
def above(screen: Screen) -> Iterator[None]:
    """While the block runs, what Python prints and logs on the terminal goes above the screen's lines."""
    before = sys.stdout, sys.stderr
    ours = [_stream(screen, each) if each.isatty() else each for each in before]
    sys.stdout, sys.stderr = ours
    handlers = [
        (handler, new)
        for handler in _handlers()
        for old, new in zip(before, ours, strict=True)
        if handler.stream is old
    ]
    former = [(handler, handler.setStream(new)) for handler, new in handlers]
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
        for handler, stream in former:
            if stream is not None:
                handler.setStream(stream)


class _Raw(io.RawIOBase):
    """A file of the terminal whose writes go above the block."""

    def __init__(self, screen: Screen, file: int) -> None:
        self._screen, self._file = screen, file

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._file

    def write(self, data: Any) -> int:
        self._screen.write(self._file, bytes(data))
        return len(data)


def _stream(screen: Screen, replaced: Any) -> io.TextIOWrapper:
    replaced.flush()
    raw: Any = _Raw(screen, replaced.fileno())
    return io.TextIOWrapper(raw, replaced.encoding, replaced.errors, line_buffering=True)


def _handlers() -> Iterator[Any]:
    """The handlers of all loggers that write to a stream."""
    for logger in (logging.root, *logging.root.manager.loggerDict.values()):
        for handler in getattr(logger, "handlers", ()):
            if isinstance(handler, logging.StreamHandler):
                yield handler


def _write(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]
