"""A stream of blocks, as COPY reads it."""

from collections.abc import Iterator

import pytest

from pipeline.kernel.errors import BadExtract
from pipeline.kernel.streams import Blocks


@pytest.mark.parametrize("size", [1, 2, 3, 1 << 18])
def test_an_empty_block_is_not_the_end(size: int) -> None:
    stream = Blocks([b"", b"abc", b"", b"", b"de", b""])
    assert b"".join(iter(lambda: stream.read(size), b"")) == b"abcde"


def test_all_of_a_block_is_read_where_no_size_is_asked_for() -> None:
    stream = Blocks([b"abc", b"de"])
    assert [stream.read(), stream.read(), stream.read(), stream.read()] == [b"abc", b"de", b"", b""]


def test_why_a_block_could_not_be_made_is_kept() -> None:
    failure = BadExtract("read", "it is gone", "deliver it again")

    def blocks() -> Iterator[bytes]:
        yield b"abc"
        raise failure

    stream = Blocks(blocks())
    assert stream.read() == b"abc"
    with pytest.raises(BadExtract):
        stream.read()
    assert stream.failure is failure
