"""The clock of a machine that is wrong by OCEAN_TEST_CLOCK seconds. Python imports this where it is on its path.

What signs requests to S3 is told the right time, if OCEAN_TEST_SIGNATURES is `right`.
"""

import datetime
import os
import sys
import time
from typing import Any

WRONG_BY = float(os.environ["OCEAN_TEST_CLOCK"])
RIGHT = "botocore" if os.environ["OCEAN_TEST_SIGNATURES"] == "right" else "nobody"

_time = time.time


class _Kind(type):
    """Of which also those are instances that were made without us, by C for example."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, cls.__mro__[1])

    def __subclasscheck__(cls, other: type) -> bool:
        return issubclass(other, cls.__mro__[1])


class _Instant(datetime.datetime, metaclass=_Kind):
    @classmethod
    def now(cls, tz: Any = None) -> Any:
        is_right = sys._getframe(1).f_globals.get("__name__", "").startswith(RIGHT)
        return cls.fromtimestamp(_time() if is_right else time.time(), tz)


class _Day(datetime.date, metaclass=_Kind):
    @classmethod
    def today(cls) -> Any:
        return cls.fromtimestamp(time.time())


time.time = lambda: _time() + WRONG_BY
datetime.datetime = _Instant  # type: ignore[misc]
datetime.date = _Day  # type: ignore[misc]
