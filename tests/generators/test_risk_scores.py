"""Risk scores as a function of seed, customer and month."""

import datetime as dt
from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pipeline.generators.scores import MONTHS, risk_scores

NOVEMBER = dt.date(2026, 11, 19)
MANY = 20_000


@given(seed=st.integers(0, 2**62), month=st.dates(), few=st.integers(0, 300), more=st.integers(0, 300))
def test_a_score_is_from_1_to_100_and_does_not_depend_on_later_customers(
    seed: int, month: dt.date, few: int, more: int
) -> None:
    scores = dict(risk_scores(seed, month, few + more))
    assert all(1 <= customer <= few + more and 1 <= score <= 100 for customer, score in scores.items())
    assert dict(risk_scores(seed, month, few)) == {key: score for key, score in scores.items() if key <= few}
    assert dict(risk_scores(seed, month.replace(day=1), few + more)) == scores


def test_few_customers_have_no_score_and_fewer_still_a_late_correction() -> None:
    scores = list(risk_scores(42, NOVEMBER, MANY))
    times = Counter(customer for customer, _ in scores)
    assert 0.02 < 1 - len(times) / MANY < 0.04
    corrected = [customer for customer, count in times.items() if count == 2]
    assert 0.002 < len(corrected) / MANY < 0.01
    assert [customer for customer, _ in scores[-len(corrected) :]] == corrected
    assert max(times.values()) == 2
    first = dict(reversed(scores))
    assert sum(first[customer] != dict(scores)[customer] for customer in corrected) > len(corrected) / 2


def test_scores_are_spread_and_mostly_low() -> None:
    scores = [score for _, score in risk_scores(42, NOVEMBER, MANY)]
    assert {score // 10 for score in scores} >= set(range(10))
    assert sum(score <= 50 for score in scores) > 0.6 * len(scores)


def test_a_customer_is_assessed_twice_a_year_and_stays_about_the_same() -> None:
    months = [dt.date(2026 + month // 12, month % 12 + 1, 1) for month in range(MONTHS + 1)]
    scores = [dict(risk_scores(42, month, 2000)) for month in months]
    assert all(before.keys() == after.keys() for before, after in pairwise(scores))
    for before, after in pairwise(scores):
        moved = [customer for customer in before if before[customer] != after[customer]]
        assert 0.1 < len(moved) / len(before) < 0.2
        assert all(abs(before[customer] - after[customer]) < 40 for customer in moved)


def test_another_seed_gives_other_scores() -> None:
    assert dict(risk_scores(1, NOVEMBER, 100)) != dict(risk_scores(2, NOVEMBER, 100))
