"""What tasks in processes of their own tell the command that has forked them: JSON, a line for each message."""

import contextlib
import json
import os
from typing import Any

LONGEST = 4096  # bytes that a pipe takes whole or not at all
BLOCK = 1 << 16


class ToldLines:
    """A non-blocking pipe. A message that finds it full is lost: neither side ever waits for the other."""

    def __init__(self) -> None:
        self._reads, self._writes = os.pipe()
        for end in (self._reads, self._writes):
            os.set_blocking(end, False)
        self._rest = b""  # the begin of a line whose end has not been read

    def tell(self, message: Any) -> None:
        """Writes a message, from this process or from one that it was forked to."""
        line = json.dumps(message).encode() + b"\n"
        if len(line) <= LONGEST:
            with contextlib.suppress(OSError):
                os.write(self._writes, line)

    def read(self) -> list[Any]:
        """The messages that have come since the last time, in their order."""
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self._reads, BLOCK):
                self._rest += data
        *lines, self._rest = self._rest.split(b"\n")
        return [json.loads(line) for line in lines]

    def close(self) -> None:
        """Closes both ends; those of other processes stay."""
        os.close(self._reads)
        os.close(self._writes)
