"""The pipe by which forked tasks tell their command: nobody waits, and no message is cut or mixed."""

import os
from collections.abc import Iterator

import pytest

from pipeline.tasks.runtime import told_lines
from pipeline.tasks.runtime.told_lines import ToldLines


@pytest.fixture
def told() -> Iterator[ToldLines]:
    found = ToldLines()
    yield found
    found.close()


def test_what_a_forked_process_tells_comes_in_its_order(told: ToldLines) -> None:
    if not (child := os.fork()):
        for number in range(3):
            told.tell({"rows": number, "text": "a\nb"})
        os._exit(0)
    os.waitpid(child, 0)
    assert told.read() == [{"rows": number, "text": "a\nb"} for number in range(3)]
    assert told.read() == []


def test_a_message_that_comes_in_two_parts_is_whole(told: ToldLines, monkeypatch: pytest.MonkeyPatch) -> None:
    message = b'["said", "x"]\n'
    read, parts = os.read, [message + message[:5], b"", message[5:], b""]

    def in_parts(file: int, size: int) -> bytes:
        return parts.pop(0) if parts else read(file, size)

    monkeypatch.setattr(os, "read", in_parts)
    assert told.read() == [["said", "x"]]
    assert told.read() == [["said", "x"]]


def test_a_full_pipe_loses_messages_and_goes_on_afterwards(told: ToldLines) -> None:
    for number in range(10_000):
        told.tell([number, "x" * 50])
    kept = [number for number, _ in told.read()]
    assert kept == list(range(len(kept)))
    assert 0 < len(kept) < 10_000
    told.tell(["more"])
    assert told.read() == [["more"]]


def test_a_message_that_a_pipe_would_cut_is_lost(told: ToldLines) -> None:
    told.tell("x" * told_lines.LONGEST)
    told.tell("short")
    assert told.read() == ["short"]
