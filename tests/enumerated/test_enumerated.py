"""A sample of the enumerated faults, and that the faults are those that they are said to be."""

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.commands import KILLED
from support.feeds_world import running_api
from support.world import Worlds

from enumerated import cases
from enumerated.cases import (
    BAD,
    HEALED,
    MISSED,
    SAME,
    SECONDS,
    Checksum,
    Fault,
    calls,
    faults,
    judge,
)
from enumerated.scenarios import Scenario, scenarios
from pipeline.kernel import postgres

SAMPLE = 5


@pytest.fixture(scope="module")
def every(log_home: Path) -> Iterator[dict[str, Scenario]]:
    """All scenarios."""
    worlds = Worlds(log_home, "enumerated")
    with running_api() as api:
        yield scenarios(worlds, api)
    worlds.drop()


@pytest.fixture(scope="module")
def day(every: dict[str, Scenario]) -> tuple[Scenario, dict[str, int], Checksum]:
    """An ordinary day, its calls, and the warehouse after it."""
    return every["a day"], *calls(every["a day"])


def test_a_load_in_which_any_call_fails_heals_or_the_next_run_ends_in_the_same_warehouse(day: Any) -> None:
    scenario, counts, checksum = day
    every = list(faults(counts))
    assert len(every) > 500
    for fault in every[:: len(every) // SAMPLE]:
        assert judge(scenario, fault, checksum)[0] in (HEALED, SAME), fault


@pytest.mark.parametrize("name", ["a day with feeds", "a day from the log"])
def test_a_request_that_is_killed_or_hangs_costs_nothing_of_what_the_others_bring(
    every: dict[str, Scenario], name: str
) -> None:
    counts, checksum = calls(every[name])
    what, kind = {"a day with feeds": ("http", "lost"), "a day from the log": ("s3", "hang")}[name]
    fault = next(fault for fault in faults(counts) if fault.site.startswith(what) and fault.kind == kind)
    assert judge(every[name], fault, checksum)[0] in (HEALED, SAME)


def test_a_transaction_that_a_command_leaves_open_is_seen(day: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    scenario, _, checksum = day
    monkeypatch.setattr(cases, "MOMENT", 0)
    world = scenario.start()
    with closing(postgres.connect(world.warehouse_url, "tests")) as connection:
        connection.cursor().execute("select 1")
        with_it_open = replace(scenario, start=lambda: world)
        assert judge(with_it_open, Fault("lost", 1, "*"), checksum)[0] == cases.LEFT


def first(day: Any, what: str, kind: str) -> Fault:
    """A fault of a kind at the first site of a kind."""
    return next(fault for fault in faults(day[1]) if fault.site.startswith(what) and fault.kind == kind)


@pytest.mark.parametrize(
    ("what", "kind", "said"),
    [
        ("sql pipeline/stage", "fail", "53100"),
        ("sql pipeline/stage", "cut", "the connection was lost"),
        ("commit pipeline/tasks/load", "lost", "the connection was lost"),
        ("block pipeline/stage", "cut", "the connection was lost"),
    ],
)
def test_a_fault_is_the_one_that_it_is_said_to_be(day: Any, what: str, kind: str, said: str) -> None:
    scenario = day[0]
    process = scenario.start().faulty(str(first(day, what, kind))).start(*scenario.words)
    output, _ = process.communicate(timeout=SECONDS)
    assert said in output


def test_a_killed_command_is_gone_before_its_call(day: Any) -> None:
    scenario = day[0]
    process = scenario.start().faulty(str(first(day, "sql", "kill"))).start(*scenario.words)
    process.communicate(timeout=SECONDS)
    assert process.returncode == KILLED


def test_the_calls_of_a_command_are_the_same_each_time(day: Any) -> None:
    scenario, counts, _ = day
    assert calls(scenario)[0].keys() == counts.keys()


def test_what_went_wrong_is_told(day: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    scenario, _, checksum = day
    harmless = Fault("lost", 1, "*")
    yet_to_come = replace(scenario, words=("DailyWarehouseLoad", "--date", "2036-01-01"))
    assert judge(scenario, harmless, checksum | {"dim_date": (0, "")})[0] == "different"
    assert judge(yet_to_come, harmless, checksum)[0] == "next run failed"
    monkeypatch.setattr(cases, "NAMED", re.compile("an error that nobody has"))
    assert judge(yet_to_come, harmless, checksum)[0] == "unnamed error"
    assert {"different", "next run failed", "unnamed error"} < set(BAD)


def test_a_fault_at_a_call_that_is_never_made_is_told_from_one_that_healed(day: Any) -> None:
    scenario, _, checksum = day
    assert judge(scenario, Fault("cut", 1, "no such site"), checksum)[0] == MISSED
