"""Streams of bytes: what one must do to be read from or written to, and one that is made of blocks."""

from collections.abc import Iterable
from typing import Protocol

from pipeline.kernel.errors import OceanError


class Writable(Protocol):
    """Takes bytes."""

    def write(self, data: bytes, /) -> int:
        """Takes all of `data`, and says how many bytes these are."""


class Readable(Protocol):
    """Gives bytes."""

    def read(self, size: int = -1, /) -> bytes:
        """At most `size` bytes if that is not negative; no bytes at the end."""


class Closable(Readable, Protocol):
    """Gives bytes, and holds a connection until it is closed."""

    def close(self) -> None:
        """Lets go of the connection."""


class Blocks:
    """Blocks of bytes as one stream; each is made when it is read.

    `failure` is why one could not be made: COPY hides what its source raises.
    """

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self.failure: OceanError | None = None
        self._blocks = filter(None, blocks)  # an empty block is not the end
        self._rest = memoryview(b"")

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes, at most `size` if that is not negative; no bytes at the end."""
        if not self._rest:
            try:
                self._rest = memoryview(next(self._blocks, b""))
            except OceanError as failure:
                self.failure = failure
                raise
        size = len(self._rest) if size < 0 else size
        data, self._rest = bytes(self._rest[:size]), self._rest[size:]
        return data
