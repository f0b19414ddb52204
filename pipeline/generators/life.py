"""The life of an order: a pure function of the seed, the order's number, its customer and its moment."""

import struct
from hashlib import blake2b
from typing import NamedTuple

from pipeline.generators.moments import DAY, EPOCH, MICROSECOND, MINUTE
from pipeline.generators.scores import Scores
from pipeline.generators.seasons import days_to_deliver, lost_share

PLACED, PAID, SHIPPED, DELIVERED, CANCELLED, REFUNDED, RETURNED, LOST = range(1, 9)
STATUSES = (
    (PLACED, "placed", False),
    (PAID, "paid", False),
    (SHIPPED, "shipped", False),
    (DELIVERED, "delivered", False),
    (CANCELLED, "cancelled", True),
    (REFUNDED, "refunded", True),
    (RETURNED, "returned", True),
    (LOST, "lost", True),
)
# Shares of the lost orders, cumulated. Each kind is more frequent than the next.
LOST_KINDS = ((0.4, CANCELLED), (0.65, REFUNDED), (0.9, RETURNED), (1.0, LOST))
RETURN_DAYS = 2, 9  # after delivery
WRITE_OFF_DAYS = 3, 12  # after the parcel should have come
# Risky customers lose more orders: from a fifth of the usual share to nine fifths, and the usual share on average.
SAFEST, RISKIEST = 0.2, 1.8
CHANCES = struct.Struct("<4I")


class Step(NamedTuple):
    """From `at` on, the order has this status; `delivered` is None until it was delivered."""

    status: int
    at: int
    delivered: int | None = None


class Fates:
    """The fates of all orders of a shop."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._hash = blake2b(str(seed).encode(), digest_size=CHANCES.size)
        self._scores = Scores(seed)

    def days(self, order: int, customer: int, ordered: int) -> dict[int, Step]:
        """The order's step at the end of each day (days since 1970) on which it moves.

        Of two steps on one day only the later one shows: the day writes an order once.
        """
        return {step.at // DAY: step for step in self.steps(order, customer, ordered)}

    def steps(self, order: int, customer: int, ordered: int) -> list[Step]:
        """All steps of an order's life, oldest first. Delivery takes 1 to 9 days."""
        luck, paying, shipping, carrying = self._chances(order)
        date = (EPOCH + ordered * MICROSECOND).date()
        risk = SAFEST + (RISKIEST - SAFEST) * self._scores.steady(customer)
        share = lost_share(self.seed, date) * risk
        fate = _kind(luck / share) if luck < share else DELIVERED
        # Most pay within the hour, and a few take a day.
        paid = ordered + MINUTE + int(paying**6 * (DAY - 2 * MINUTE))
        arrived = ordered + DAY + int(carrying ** (8 / (days_to_deliver(date) - 1) - 1) * 8 * DAY)
        shipped = paid + int((0.2 + 0.6 * shipping) * (arrived - paid))
        steps = [Step(PLACED, ordered)]
        if fate == CANCELLED:
            return [*steps, Step(CANCELLED, paid)]
        steps.append(Step(PAID, paid))
        if fate == REFUNDED:
            return [*steps, Step(REFUNDED, shipped)]
        steps.append(Step(SHIPPED, shipped))
        if fate == LOST:
            return [*steps, Step(LOST, arrived + _between(WRITE_OFF_DAYS, shipping))]
        steps.append(Step(DELIVERED, arrived, arrived))
        if fate == RETURNED:
            steps.append(Step(RETURNED, arrived + _between(RETURN_DAYS, shipping), arrived))
        return steps

    def _chances(self, order: int) -> tuple[float, ...]:
        """Four numbers in [0, 1) of the order's own. By a hash: a Random for each costs ten times more."""
        own = self._hash.copy()
        own.update(b":%d" % order)
        return tuple([chance / 2**32 for chance in CHANCES.unpack(own.digest())])


def _kind(luck: float) -> int:
    return next(status for share, status in LOST_KINDS if luck < share)


def _between(days: tuple[int, int], luck: float) -> int:
    low, high = days
    return int((low + luck * (high - low)) * DAY)
