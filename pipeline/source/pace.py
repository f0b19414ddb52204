"""How fast rows are taken from the source: a limit, for a source that has little to spare, and a count."""

import time

from pipeline.kernel.streams import Writable

MEGABYTE = 1_000_000


class Paced:
    """Passes bytes on, at most so many megabytes a second on average; 0 is no limit.

    It waits before it passes a block on. COPY then finds its connection full, and the source stops reading until there
    is room. So the source works in short bursts with pauses between them.
    """

    def __init__(self, target: Writable, megabytes_per_second: float) -> None:
        self.target = target
        self.rate = megabytes_per_second * MEGABYTE
        self.bytes, self.start = 0, time.monotonic()
        self.lines = 0  # about as many as rows: texts with line ends have more, and there is a header

    def write(self, data: bytes, /) -> int:
        """Waits until the rate allows the block, and passes it on."""
        self.bytes += len(data)
        self.lines += bytes(data).count(b"\n")
        if self.rate:
            time.sleep(max(0.0, self.start + self.bytes / self.rate - time.monotonic()))
        return self.target.write(data)
