"""The factor that makes the log-odds of a model tell the truth (temperature scaling).

Guo et al., "On Calibration of Modern Neural Networks" (2017), section 4.2; the factor is one over their temperature.
"""

import math
from collections.abc import Sequence

FEWEST, MOST = 0.01, 100.0
STEPS = 60
GOLDEN = (math.sqrt(5) - 1) / 2

Answer = tuple[float, bool]


def log_loss(answers: Sequence[Answer], factor: float) -> float:
    """The mean log loss of answers: the log-odds of each, and what is true.

    >>> round(log_loss([(0.0, True), (2.0, True), (2.0, False)], 1.0), 4)
    0.9823
    """
    # log(1 + exp(-x)) that neither overflows nor loses digits
    odds = (factor * (each if truth else -each) for each, truth in answers)
    return math.fsum(max(-x, 0.0) + math.log1p(math.exp(-abs(x))) for x in odds) / len(answers)


def sharpest(answers: Sequence[Answer]) -> float:
    """The factor with the least log loss, to four digits and more, by golden-section search: the loss has one valley.

    >>> round(sharpest([(1.0, True)] * 3 + [(1.0, False)]), 4) == round(math.log(3), 4)
    True
    """
    low, high = math.log(FEWEST), math.log(MOST)
    for _ in range(STEPS):
        left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
        if log_loss(answers, math.exp(left)) <= log_loss(answers, math.exp(right)):
            high = right
        else:
            low = left
    return math.exp((low + high) / 2)
