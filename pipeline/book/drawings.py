"""The line of a KPI's months, without axes, as positions for a drawing."""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT, EDGE = 200.0, 44.0, 4.0


@dataclass(frozen=True)
class Sparkline:
    """A line in a box of WIDTH by HEIGHT: its points, its last point, and the height of a limit."""

    points: str
    last: tuple[float, float]
    limit: float | None


def sparkline(values: Sequence[float | None], limit: float | None = None) -> Sparkline | None:
    """The line of values from left to right, and where a limit lies among them; None for fewer than two values.

    >>> sparkline([1, 3, None, 2]).points
    '4.0,40.0 68.0,4.0 196.0,22.0'
    """
    known = [(place, value) for place, value in enumerate(values) if value is not None]
    if len(known) < 2:
        return None
    numbers = [value for _, value in known] + ([] if limit is None else [limit])
    low, high = min(numbers), max(numbers)

    def down(value: float) -> float:
        return round(HEIGHT - EDGE - (HEIGHT - 2 * EDGE) * (0.5 if high == low else (value - low) / (high - low)), 1)

    step = (WIDTH - 2 * EDGE) / (len(values) - 1)
    points = [(round(EDGE + step * place, 1), down(value)) for place, value in known]
    return Sparkline(" ".join(f"{x},{y}" for x, y in points), points[-1], None if limit is None else down(limit))
