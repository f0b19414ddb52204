"""Answers of the risk-score service: whatever is in them, good scores are loaded, and the rest is rejected or refused.

What a single entry may be is in tests/feeds/test_risk.py; here are whole answers, up to dim_customer.
"""

import json
from typing import Any

import pytest
from support import shop
from support.feeds_world import open_warehouse, run, settings_of
from support.loads import load_dimensions
from support.world import World, Worlds

from pipeline.kernel.errors import BadAnswer
from pipeline.tasks.load_risk_scores import ANSWER, ExtractRiskScores, LoadRiskScores

NO_SCORE, NO_CUSTOMER = "risk_score is not a whole number", "customer_id is not a whole number"
TOO_HIGH = "risk_score is not between 1 and 100"
TOO_LOW = "customer_id is not between 1 and 9223372036854775807"
ENDLESS = "9" * 5000
GOOD = '{"customer_id": 1, "risk_score": 50}'
# An answer, the score of customer 1 that it leaves, and the place and reason of each entry that is rejected.
ANSWERS: list[tuple[str, str | bytes, int | None, list[tuple[int, str]]]] = [
    ("nothing", "[]", None, []),
    ("spaces", " \n[ ]\t", None, []),
    ("a byte order mark", b"\xef\xbb\xbf[" + GOOD.encode() + b"]", 50, []),
    ("UTF-16", f"[{GOOD}]".encode("utf-16"), 50, []),
    ("more fields", '[{"customer_id": 1, "risk_score": 7, "note": "\'; drop table dwh.dim_customer; --"}]', 7, []),
    ("a name twice", '[{"customer_id": 9, "customer_id": 1, "risk_score": 7, "risk_score": 8}]', 8, []),
    ("a customer twice", f'[{{"customer_id": 1, "risk_score": 7}}, {GOOD}]', 50, []),
    ("a bad entry after a good one", f'[{GOOD}, {{"customer_id": 1, "risk_score": 101}}]', 50, [(2, TOO_HIGH)]),
    ("a fraction", '[{"customer_id": 1, "risk_score": 0.5}]', None, [(1, NO_SCORE)]),
    ("an exponent", '[{"customer_id": 1, "risk_score": 1e400}]', None, [(1, NO_SCORE)]),
    ("Infinity", f'[{{"customer_id": 1, "risk_score": -Infinity}}, {GOOD}]', 50, [(1, NO_SCORE)]),
    ("a number without end", f'[{{"customer_id": {ENDLESS}, "risk_score": 5}}, {GOOD}]', 50, [(1, NO_CUSTOMER)]),
    ("a negative customer", f'[{{"customer_id": -1, "risk_score": 5}}, {GOOD}]', 50, [(1, TOO_LOW)]),
    ("a NUL", f'[{{"customer_id": "\\u0000", "risk_score": 5}}, {GOOD}]', 50, [(1, NO_CUSTOMER)]),
    ("lists in lists", f'[{"[" * 500}{"]" * 500}, {GOOD}]', 50, [(1, "not a JSON object")]),
    ("an unknown customer", '[{"customer_id": 404, "risk_score": 5}]', None, []),
]  # fmt: skip
REFUSED = [
    b"",
    b"\xff",
    b"<html>sorry</html>",
    b"{}",
    b"null",
    b'"[]"',
    b"[1,]",
    b"[" + GOOD.encode(),
    b"[" * 100_000,
    b"[\xe9]",
]


@pytest.fixture(scope="module")
def opened(worlds: Worlds) -> World:
    world = worlds.new()
    with settings_of(world):
        open_warehouse(world)
    return world


def load(world: World, answer: bytes) -> Exception | None:
    """Loads an answer as that of day 1, as if there was no other; what failed is returned."""
    world.warehouse(
        "delete from stage.risk_score; delete from etl.rejected_row; delete from etl.feed_date;"
        "delete from etl.marker where target_table = 'stage.risk_score'; update dwh.dim_customer set risk_score = null"
    )
    with settings_of(world):
        folder = ExtractRiskScores(shop.date(1)).folder
    world.lake.write_all({f"{folder}/{ANSWER}": answer, f"{folder}/_SUCCESS": b"{}"})
    failure = run(world.where(OCEAN_MAX_REJECTED="1"), LoadRiskScores(shop.date(1)))
    load_dimensions(world)
    return failure


@pytest.mark.parametrize(("answer", "score", "rejected"), [pytest.param(*case, id=name) for name, *case in ANSWERS])
def test_of_an_answer_the_good_scores_are_loaded(
    opened: World, answer: str | bytes, score: int | None, rejected: list[tuple[int, str]]
) -> None:
    assert load(opened, answer.encode() if isinstance(answer, str) else answer) is None
    assert opened.warehouse("select risk_score from dwh.dim_customer where customer_id = 1") == [(score,)]
    rows: list[Any] = opened.warehouse("select source, date, file, line, reason from etl.rejected_row")
    file = f"{ExtractRiskScores(shop.date(1)).folder}/{ANSWER}"
    assert rows == [("risk_score", shop.date(1), file, line, reason) for line, reason in rejected]


@pytest.mark.parametrize("answer", REFUSED, ids=lambda answer: repr(answer[:12]))
def test_an_answer_that_is_no_list_is_refused_and_changes_nothing(opened: World, answer: bytes) -> None:
    failure = load(opened, answer)
    assert isinstance(failure, BadAnswer)
    assert str(failure).startswith(
        "cannot read the risk scores, because the answer is not a JSON list; have the service "
    )
    assert opened.rows("select 1 from stage.risk_score union all select 1 from etl.rejected_row") == set()


def test_the_digits_of_a_number_without_end_are_kept(opened: World) -> None:
    load(opened, f'[{{"customer_id": {ENDLESS}, "risk_score": 5}}]'.encode())
    [(row,)] = opened.warehouse('select "row" from etl.rejected_row')
    assert json.loads(row) == {"customer_id": ENDLESS, "risk_score": 5}
