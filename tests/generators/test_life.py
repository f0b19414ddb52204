"""What may become of an order."""

import datetime as dt
from itertools import pairwise

from pipeline.generators.life import (
    CANCELLED,
    DELIVERED,
    LOST,
    PAID,
    PLACED,
    REFUNDED,
    RETURNED,
    SHIPPED,
    Fates,
)
from pipeline.generators.moments import DAY, HOUR, midnight
from pipeline.generators.scores import risk_scores

LEGAL = {
    (PLACED, PAID),
    (PLACED, CANCELLED),
    (PAID, SHIPPED),
    (PAID, REFUNDED),
    (SHIPPED, DELIVERED),
    (SHIPPED, LOST),
    (DELIVERED, RETURNED),
}
ORDERED = midnight(dt.date(2026, 11, 19)) + 18 * HOUR
LIVES = [Fates(42).steps(order, order, ORDERED) for order in range(1, 10_001)]


def test_an_order_takes_legal_steps_alone_and_every_legal_step_occurs() -> None:
    taken = {(before.status, after.status) for life in LIVES for before, after in pairwise(life)}
    assert taken == LEGAL
    assert {life[0].status for life in LIVES} == {PLACED}
    assert {life[-1].status for life in LIVES} == {DELIVERED, CANCELLED, REFUNDED, RETURNED, LOST}


def test_each_step_is_later_than_the_one_before() -> None:
    assert all(before.at < after.at for life in LIVES for before, after in pairwise(life))


def test_delivery_takes_one_to_nine_days_and_is_remembered_by_a_return() -> None:
    for life in LIVES:
        delivered = [step.at for step in life if step.status == DELIVERED]
        assert all(DAY <= at - ORDERED <= 9 * DAY for at in delivered)
        assert [step.delivered for step in life if step.delivered] == delivered * (1 + (life[-1].status == RETURNED))


def test_two_steps_on_one_day_are_seen_as_the_later_one() -> None:
    for order, life in enumerate(LIVES, 1):
        days = Fates(42).days(order, order, ORDERED)
        assert list(days) == sorted({step.at // DAY for step in life})
        assert all(step == max(s for s in life if s.at // DAY == day) for day, step in days.items())


def test_fate_depends_on_seed_order_customer_and_moment_alone() -> None:
    assert Fates(42).steps(17, 17, ORDERED) == Fates(42).steps(17, 17, ORDERED) == LIVES[16]
    assert Fates(43).steps(17, 17, ORDERED) != LIVES[16]
    assert Fates(42).steps(18, 17, ORDERED) != LIVES[16]


def test_parcels_are_slower_in_december_than_in_june() -> None:
    def average(date: dt.date) -> float:
        lives = [Fates(1).steps(order, order, midnight(date)) for order in range(1, 3001)]
        days = [(step.at - life[0].at) / DAY for life in lives for step in life if step.status == DELIVERED]
        return sum(days) / len(days)

    assert average(dt.date(2026, 12, 15)) > average(dt.date(2026, 6, 15)) + 1


def test_risky_customers_lose_more_of_their_orders() -> None:
    scores = dict(risk_scores(42, dt.date(2026, 11, 19), len(LIVES)))

    def lost(low: int, high: int) -> float:
        ends = [life[-1].status for customer, life in enumerate(LIVES, 1) if low <= scores.get(customer, 0) <= high]
        return sum(end != DELIVERED for end in ends) / len(ends)

    assert lost(67, 100) > 2 * lost(1, 33)
    assert 0.04 < lost(0, 100) < 0.07
