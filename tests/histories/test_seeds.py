"""A sample of the histories, and that their seed, their judge and their shrinking do what they say."""

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from support import shop
from support.histories import Oracle
from support.world import World, Worlds

from histories.player import Player
from histories.running import failure, shop_of
from histories.shrinking import smallest
from histories.steps import CHANGES, LOADS, Step, history
from histories.verdict import differences


@pytest.fixture(scope="module")
def worlds(log_home: Path) -> Iterator[Worlds]:
    """Worlds whose source may be read from its log."""
    made = Worlds(log_home, "seeds")
    yield made
    made.drop()


@pytest.fixture(scope="module")
def template(worlds: Worlds) -> World:
    return shop_of(worlds)


@pytest.mark.parametrize("seed", [3, 12])
def test_a_history_ends_in_what_the_oracle_says(worlds: Worlds, template: World, seed: int) -> None:
    made = Worlds(worlds.home, f"seed_{seed}")
    assert failure(made, template, history(seed))[0] == ""


# What histories have found, made smaller: each is right since.
FOUND = {
    979: [("order", 24, 42, 88), ("killed", 22, 217), ("delete_order", 17, 21, 96)],
}


@pytest.mark.parametrize("seed", FOUND)
def test_what_a_history_has_found_is_right(worlds: Worlds, template: World, seed: int) -> None:
    assert failure(Worlds(worlds.home, f"found_{seed}"), template, FOUND[seed])[0] == ""


@pytest.mark.parametrize(
    ("what", "number", "first"),
    [("warehouse", 0, []), ("source", 1, []), ("lake", 2, []), ("log", 0, [("from_log", 0)])],
)
def test_what_is_restored_from_an_older_copy_ends_in_the_same_warehouse(
    worlds: Worlds, template: World, what: str, number: int, first: list[Step]
) -> None:
    steps = [("order", 1, 0, 1), ("load", 1, 0), ("back_up", 1, 0), ("price", 9, 1, 1), ("order", 20, 1, 1)]
    steps += [("delete_line", 1, 0, 0), ("load", 1, 0), ("restore", 3, number), ("order", 20, 1, 1)]
    found, player = failure(Worlds(worlds.home, f"restored_{what}"), template, [*first, *steps])
    assert (found, player.faults) == ("", 1)


def test_a_seed_gives_the_same_history_and_another_one_another() -> None:
    assert history(7) == history(7) != history(8)
    assert {kind for seed in range(200) for kind, *_ in history(seed)} == {"from_log", *CHANGES, *LOADS}


def test_every_step_can_be_played() -> None:
    assert [kind for kind in (*CHANGES, *LOADS) if not hasattr(Player, f"_{kind}")] == []


def test_the_judge_sees_what_is_missing_and_what_is_too_much(worlds: Worlds, template: World) -> None:
    world, oracle = worlds.copy_all(template), Oracle()
    for product in (1, 2):
        oracle.put("ops.products", product, shop.at(1, 0), price=10)
    shop.add_order(world, 1, shop.at(1), 1)
    oracle.put("ops.orders", 1, shop.at(1), ordered=shop.at(1), delivered=None, status=1)
    oracle.put("ops.order_lines", (1, 1), shop.at(1), product=1, quantity=2, price=10)
    world.load(shop.date(1))
    assert differences(world, oracle) == []
    world.warehouse("update dwh.fact_order_line set quantity = 3")
    [found] = differences(world, oracle)
    assert found == "lines: missing [(1, 1, 1, 2, 20260101)], too many [(1, 1, 1, 3, 20260101)]"


def test_of_a_failing_history_the_steps_are_left_that_it_takes() -> None:
    steps = [("order", number) for number in range(40)]
    taken = {("order", 7), ("order", 31)}
    assert smallest(steps, lambda some: taken <= set(some)) == [("order", 7), ("order", 31)]
    random = Random(1)
    assert len(smallest(steps, lambda some: random.random() < 0.5)) <= len(steps)
