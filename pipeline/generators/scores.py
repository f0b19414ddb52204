"""Risk scores: the likelihood that a customer does not pay, from 1 (low) to 100, as a credit bureau sees it."""

import datetime as dt
import struct
from collections.abc import Iterator
from hashlib import blake2b

NEVER, TWICE = 0.03, 0.005  # the share of customers without any score, and of those listed a second time
MONTHS = 6  # after which a customer is assessed again; the month differs by customer
STEADY, SKEW = 0.8, 1.6  # the part of a score that never changes; most scores are low
CHANCES = struct.Struct("<3I")


def risk_scores(seed: int, month: dt.date, customers: int) -> Iterator[tuple[int, int]]:
    """customer_id and risk_score of the customers 1 to `customers`, as of the month of a date.

    About 3 % have none. A few are listed with the score of half a year ago, and again at the end with the present one.
    """
    number = month.year * 12 + month.month
    score = Scores(seed)
    corrections = []
    for customer in range(1, customers + 1):
        known, listed, steady = score.chances(b"%d" % customer)
        if known < NEVER:
            continue
        assessment = (number + customer) // MONTHS
        if listed < TWICE:
            corrections.append((customer, score.of(customer, assessment, steady)))
            assessment -= 1
        yield customer, score.of(customer, assessment, steady)
    yield from corrections


class Scores:
    """The scores of a shop by a hash: a Random for each customer costs ten times more."""

    def __init__(self, seed: int) -> None:
        self._hash = blake2b(b"%d:risk:" % seed, digest_size=CHANCES.size)

    def chances(self, what: bytes) -> tuple[float, ...]:
        """Three numbers in [0, 1), which depend on `what` alone."""
        own = self._hash.copy()
        own.update(what)
        return tuple([chance / 2**32 for chance in CHANCES.unpack(own.digest())])

    def steady(self, customer: int) -> float:
        """The part of a customer's score that never changes, from 0 (the lowest risk) to 1."""
        return self.chances(b"%d" % customer)[2]

    def of(self, customer: int, assessment: int, steady: float) -> int:
        """The score that a customer got at an assessment."""
        luck, *_ = self.chances(b"%d:%d" % (customer, assessment))
        return 1 + int(100 * (STEADY * steady + (1 - STEADY) * luck) ** SKEW)
