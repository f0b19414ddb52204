"""Streams of compressed bytes, counted and hashed on their way: zstd, or gzip for readers that know nothing else."""

import gzip
import hashlib
import io
import zlib
from collections.abc import Callable
from typing import IO, Any, TextIO, cast

import zstandard

from pipeline.kernel.errors import ServiceDown
from pipeline.kernel.streams import Readable, Writable

Progress = Callable[[int], None]
# What a decompressor raises for bytes that no compressor wrote.
CANNOT_UNPACK = (zstandard.ZstdError, zlib.error, gzip.BadGzipFile, EOFError)


class _Counted:
    """Counts and hashes the compressed bytes; `progress` is told their number."""

    def __init__(self, progress: Progress) -> None:
        self.progress, self.bytes = progress, 0
        self._sha256 = hashlib.sha256()

    @property
    def digest(self) -> str:
        """SHA-256 of the bytes so far, in hexadecimal."""
        return self._sha256.hexdigest()

    def count(self, data: bytes) -> None:
        """Takes note of bytes that went through."""
        self._sha256.update(data)
        self.bytes += len(data)
        self.progress(self.bytes)


class Sink(_Counted):
    """Passes on the output of a compressor."""

    def __init__(self, target: Writable, progress: Progress) -> None:
        super().__init__(progress)
        self.target = target

    def write(self, data: bytes) -> int:
        """Counts the bytes and sends them on."""
        self.count(data)
        return self.target.write(data)

    def compressor(self, name: str) -> Any:
        """A writer for plain bytes, by the ending of a file's name; closing it leaves the target open."""
        if name.endswith(".zst"):
            return zstandard.ZstdCompressor(level=1).stream_writer(cast(IO[bytes], self), closefd=False)
        # mtime 0: the same rows give the same bytes.
        return gzip.GzipFile(fileobj=cast(IO[bytes], self), mode="wb", compresslevel=1, mtime=0)


class Source(_Counted):
    """Passes a body to a decompressor. `failure` is the error if the body could not be read."""

    def __init__(self, body: Readable, progress: Progress) -> None:
        super().__init__(progress)
        self.body = body
        self.failure: ServiceDown | None = None

    def read(self, size: int = -1) -> bytes:
        """The next bytes of the body."""
        try:
            data = self.body.read(size)
        except ServiceDown as failure:
            self.failure = failure
            raise
        self.count(data)
        return data

    def drain(self) -> None:
        """Reads the bytes after the end of the compressed stream."""
        while self.read(1 << 20):
            pass

    def decompressor(self, name: str) -> Readable:
        """A reader of plain bytes, by the ending of a file's name."""
        if name.endswith(".zst"):
            return zstandard.ZstdDecompressor().stream_reader(cast(IO[bytes], self), read_across_frames=True)
        return cast(Readable, gzip.GzipFile(fileobj=cast(IO[bytes], self), mode="rb"))

    def text(self, name: str) -> TextIO:
        """A reader of text, with line ends as they are."""
        return io.TextIOWrapper(io.BufferedReader(_Plain(self.decompressor(name))), "utf-8", newline="")


class _Plain(io.RawIOBase):
    """Lets a plain source stand behind io.BufferedReader."""

    def __init__(self, source: Readable) -> None:
        self.source = source

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self.source.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)
