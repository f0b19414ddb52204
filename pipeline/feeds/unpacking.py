"""Compressed files of vendors, unpacked while they are read: memory stays flat, whatever they hold."""

import gzip
from collections.abc import Iterator
from typing import IO, cast

import zstandard

from pipeline.kernel.errors import BadExtract
from pipeline.kernel.streams import Blocks, Readable
from pipeline.lake.compressed import CANNOT_UNPACK

BLOCK = 1 << 18  # bytes that are given at a time, about
# How many times its size a file may unpack to. CSV comes to some 10 times, a file made to fill a disk to over 1,000.
MOST_TIMES = 200
ALWAYS_ALLOWED = 64 << 20  # bytes, also of a smaller file
# Four bytes of zstd may unpack to 128 KiB at once.
ZSTD_BYTES = 256
ZSTD_WINDOW = 32 << 20  # bytes of memory that a file may ask for; it says so in its head


def unpacked(key: str, size: int, source: Readable) -> Readable:
    """The plain bytes of a file of `size` bytes, which the ending of its name says how to unpack.

    Reading raises BadExtract for one that is broken, ends too early, or unpacks to far more than CSV does.
    """
    name = key.lower()
    if name.endswith(".gz"):
        return Blocks(_bounded(key, size, _gunzipped(source)))
    if name.endswith(".zst"):
        return Blocks(_bounded(key, size, _unzstd(source)))
    return source


def _bounded(key: str, size: int, blocks: Iterator[bytes]) -> Iterator[bytes]:
    given, most = 0, max(ALWAYS_ALLOWED, MOST_TIMES * size)
    try:
        for block in blocks:
            given += len(block)
            if given > most:
                raise BadExtract(
                    f"read {key}",
                    f"it unpacks to more than {most:,} bytes, far more than CSV of its size does",
                    "see what it holds, and have it delivered again without compression",
                )
            yield block
    except CANNOT_UNPACK as error:
        raise BadExtract(f"read {key}", f"it cannot be unpacked: {error}", "have it delivered again") from None


def _gunzipped(source: Readable) -> Iterator[bytes]:
    with gzip.GzipFile(fileobj=cast(IO[bytes], source), mode="rb") as file:
        while data := file.read(BLOCK):
            yield data


def _unzstd(source: Readable) -> Iterator[bytes]:
    # Not its stream reader, which takes the middle of a file for its end.
    unpacker = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW)
    frame = None
    held, size = list[bytes](), 0
    while data := source.read(BLOCK):
        at = 0
        while at < len(data):
            frame = frame or unpacker.decompressobj()
            piece = data[at : at + ZSTD_BYTES]
            held.append(frame.decompress(piece))
            at, size = at + len(piece), size + len(held[-1])
            if frame.eof:  # another stream follows
                at -= len(frame.unused_data)
                frame = None
            if size > BLOCK:
                yield b"".join(held)
                held, size = [], 0
    yield b"".join(held)
    if frame:
        raise EOFError("it ends too early")
