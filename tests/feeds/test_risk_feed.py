"""Risk scores: the newest one of each customer is in dim_customer, and a service that is down stops nothing else."""

import json
from collections.abc import Iterator

import pytest
from support import shop
from support.feeds_world import KNOWN, Api, add_customer, customer_comes, run, running_api, tasks_of
from support.loads import load_dimensions
from support.world import World

from pipeline.kernel.errors import TooManyRejected
from pipeline.tasks.load_risk_scores import ANSWER, ExtractRiskScores, LoadRiskScores

TASK_FAILED = 30
SCORES = "select customer_id, risk_score from dwh.dim_customer where customer_id > 0"


@pytest.fixture
def api() -> Iterator[Api]:
    with running_api() as found:
        yield found


def score(customer_id: int, risk_score: object) -> dict[str, object]:
    return {"customer_id": customer_id, "risk_score": risk_score}


def load(world: World, day: int, *entries: dict[str, object], answered_at: str = "") -> Exception | None:
    """Loads an answer of a day into stage and the dimension; what failed is returned."""
    folder = ExtractRiskScores(shop.date(day)).folder
    world.lake.write(f"{folder}/{ANSWER}", json.dumps(entries).encode())
    status = {"answered_at": answered_at} if answered_at else {}
    world.lake.write(f"{folder}/_SUCCESS", json.dumps(status).encode())
    failure = run(world, LoadRiskScores(shop.date(day)))
    load_dimensions(world)
    return failure


def test_scores_are_in_the_dimension_and_null_where_none_is_known(opened: World) -> None:
    customer_comes(opened, 2, day=2)
    assert opened.rows(SCORES) == {(KNOWN, None), (2, None)}
    assert load(opened, 2, score(2, 100), score(9, 50)) is None
    assert opened.rows(SCORES) == {(KNOWN, None), (2, 100)}
    customer_comes(opened, 9, day=3)
    assert opened.rows(SCORES) == {(KNOWN, None), (2, 100), (9, 50)}


def test_a_later_entry_wins(opened: World) -> None:
    assert load(opened, 1, score(KNOWN, 80), score(KNOWN, 20)) is None
    assert opened.rows(SCORES) == {(KNOWN, 20)}


def test_an_older_date_that_is_loaded_late_leaves_newer_scores(opened: World) -> None:
    customer_comes(opened, 2, day=2)
    assert load(opened, 3, score(KNOWN, 30)) is None
    assert load(opened, 2, score(KNOWN, 20), score(2, 20)) is None
    assert opened.rows(SCORES) == {(KNOWN, 30), (2, 20)}
    assert load(opened, 4, score(KNOWN, 40)) is None
    assert opened.rows(SCORES) == {(KNOWN, 40), (2, 20)}


def test_the_newest_answer_wins_by_its_own_clock_whatever_its_date(opened: World) -> None:
    for day, answered_at, newest in ((3, "10:00", 3), (2, "11:00", 2), (4, "10:30", 2), (5, "11:00", 2)):
        assert load(opened, day, score(KNOWN, day), answered_at=f"2026-02-01T{answered_at}:00+00:00") is None
        assert opened.rows(SCORES) == {(KNOWN, newest)}


def test_answers_of_a_date_under_way_are_all_kept_and_rebuilt(world: World, api: Api) -> None:
    asking = world.where(RISK_API_URL=api.url)
    shop.open_shop(world)
    add_customer(world, 2, 1)
    shop.add_order(world, 1, shop.at(1), 1)
    for hour, answer in ((13, [score(1, 10), score(2, 20)]), (14, [score(1, 11)]), (24.1, [score(1, 12)])):
        api.answer = answer
        asking.at(shop.at(1, hour)).load(shop.date(1))
        assert world.rows(SCORES) == {(1, answer[0]["risk_score"]), (2, 20)}
    checksum = world.checksum()
    world.luigi("RebuildWarehouse", "--replace")
    assert world.checksum() == checksum


def test_entries_that_cannot_be_kept_are_rejected_with_their_position(opened: World) -> None:
    lenient = opened.where(OCEAN_MAX_REJECTED="0.9")
    assert load(lenient, 1, score(KNOWN, 101), score(KNOWN, 20), score(2, 0), score(3, "high")) is None
    assert opened.rows(SCORES) == {(KNOWN, 20)}
    file = f"extract/api.risk_score/date=2026-01-01/{ANSWER}"
    assert opened.rows(
        "select source, date, file, line, reason, \"row\"::jsonb ->> 'customer_id' from etl.rejected_row"
    ) == {
        ("risk_score", shop.date(1), file, 1, "risk_score is not between 1 and 100", str(KNOWN)),
        ("risk_score", shop.date(1), file, 3, "risk_score is not between 1 and 100", "2"),
        ("risk_score", shop.date(1), file, 4, "risk_score is not a whole number", "3"),
    }
    failure = load(opened, 2, score(KNOWN, 50), score(2, 0))
    assert isinstance(failure, TooManyRejected)
    assert "risk_score of 2026-01-02" in str(failure)
    assert opened.rows(SCORES) == {(KNOWN, 20)}


def test_a_service_that_is_down_fails_alone_and_the_same_date_run_again_catches_up(world: World, api: Api) -> None:
    asking = world.where(RISK_API_URL=api.url)
    shop.open_shop(world)
    add_customer(world, 2, 1)
    shop.add_order(world, 1, shop.at(1), 1)
    api.status = 503
    output = asking.load(shop.date(1), expect=TASK_FAILED)
    assert api.asked > 1
    assert "it answered 503 Service Unavailable" in output
    assert "cannot finish the load of 2026-01-01, because risk_score could not be loaded" in output
    assert ["risk_score", "failed", "failed"] in [line.split()[:3] for line in output.splitlines()]
    assert world.warehouse("select order_id, customer_key > 0 from dwh.fact_order") == [(1, True)]
    assert world.rows(SCORES) == {(KNOWN, None), (2, None)}

    api.status, api.answer = 200, [score(2, 70)]
    asking.load(shop.date(1))
    assert world.rows(SCORES) == {(KNOWN, None), (2, 70)}
    assert "Did not run any tasks" in asking.load(shop.date(1))
    asked = api.asked
    asking.load(shop.date(2))
    assert api.asked == asked + 1
    assert ("LoadRiskScores", "", "done") in tasks_of(world, 2)
