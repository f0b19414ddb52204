"""A source that has little to spare is asked for so many megabytes a second and not for more."""

import io

import pytest

from pipeline.kernel import setting_values
from pipeline.source import pace
from pipeline.source.pace import Paced


class Clock:
    """A clock that goes on only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(pace, "time", found)
    return found


def test_blocks_are_passed_on_no_faster_than_the_rate(clock: Clock) -> None:
    target = io.BytesIO()
    paced = Paced(target, 2)
    for block in (b"a" * 1_000_000, b"b" * 3_000_000, b"c" * 500_000):
        assert paced.write(block) == len(block)
    assert clock.slept == pytest.approx([0.5, 1.5, 0.25])
    assert target.getvalue() == b"a" * 1_000_000 + b"b" * 3_000_000 + b"c" * 500_000


def test_a_source_that_is_slower_than_the_rate_is_never_waited_for(clock: Clock) -> None:
    paced = Paced(io.BytesIO(), 2)
    for _ in range(3):
        clock.now += 1
        paced.write(b"a" * 1_000_000)
    assert clock.slept == [0, 0, 0]


def test_without_a_rate_nobody_waits(clock: Clock) -> None:
    Paced(io.BytesIO(), 0).write(b"a" * 1_000_000)
    assert clock.slept == []


@pytest.mark.parametrize(("text", "rate"), [("0", 0), ("0.1", 0.1), ("12.5", 12.5)])
def test_a_rate_is_read(text: str, rate: float) -> None:
    assert setting_values.megabytes_per_second(text) == rate


@pytest.mark.parametrize("text", ["-1", "0.05", "nan", "fast"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"neither 0 nor at least 0\.1|could not convert"):
        setting_values.megabytes_per_second(text)
