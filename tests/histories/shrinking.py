"""Makes a failing history smaller."""

from collections.abc import Callable

from histories.steps import Step


def smallest(steps: list[Step], fails: Callable[[list[Step]], bool]) -> list[Step]:
    """As few of the steps as still fail: halves, quarters and so on are left out while it fails without them.

    Zeller & Hildebrandt, "Simplifying and Isolating Failure-Inducing Input" (2002), without its first half.
    """
    size = max(len(steps) // 2, 1)
    while True:
        at = 0
        while at < len(steps):
            fewer = steps[:at] + steps[at + size :]
            if fails(fewer):
                steps = fewer
            else:
                at += size
        if size == 1:
            return steps
        size //= 2
