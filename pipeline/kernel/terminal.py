"""What a terminal can show."""

import importlib.util
import os
from typing import TextIO


def can_draw(stream: TextIO) -> bool:
    """Whether a stream is a terminal that understands colours and moves, and Rich is there to draw on it.

    TERM=dumb, and none, say that it does not.
    """
    is_able = stream.isatty() and os.environ.get("TERM", "") not in ("", "dumb")
    return is_able and importlib.util.find_spec("rich") is not None
