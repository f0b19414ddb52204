"""Random histories of a shop, extracted and loaded in any order and repeatedly, against a plain-Python oracle."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, note, settings
from support.histories import (
    DAYS,
    EARLIEST,
    LATEST,
    Oracle,
    check,
    extract_history,
    histories,
    load_extracts,
    loads,
    quiet_shop,
)
from support.shop import at
from support.world import World, Worlds

# A failing history is printed as it is: to make it smaller would take minutes of loads.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)


@pytest.fixture(scope="module")
def quiet(worlds: Worlds, shop_template: World) -> World:
    return quiet_shop(worlds, shop_template)


@settings(max_examples=20, deadline=None, phases=PHASES, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories, order=loads)
# The extract with the new price comes last; a later one has shown it, on an order's day after it. It arrives next year.
@example(
    history=[
        [("order", 12, [1], 0)],
        [("reprice", 12, 1, 11)],
        [("order", 12, [1, 2], 0), ("deliver", 13, 0, 400)],
        [("rename", 12, 1)],
        [],
    ],
    order=[(1, ""), (3, ""), (4, ""), (2, "")],
)
def test_any_history_loaded_in_any_order_ends_in_what_the_oracle_says(
    copied: Callable[[World], World],
    quiet: World,
    history: list[list[tuple[Any, ...]]],
    order: list[tuple[int, str]],
) -> None:
    shop = copied(quiet)
    oracle = extract_history(shop, history)
    for day, broken in [*order, *((day, "") for day in range(1, DAYS + 1))]:
        note(f"load day {day} without {broken or 'none'}")
        load_extracts(shop, day, broken)
    check(shop, oracle)


def test_the_oracle_itself_knows_a_version_from_none() -> None:
    oracle = Oracle()
    for day, price in ((1, 10), (2, 10), (3, 12)):
        oracle.put("ops.products", 1, at(day), price=price)
        oracle.extract(day)
    assert oracle.versions() == {(1, 10.0, EARLIEST, at(3)), (1, 12.0, at(3), LATEST)}
