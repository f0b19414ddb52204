"""The days that people type: what is none is said in one line; today and yesterday are days of one clock, in UTC."""

import datetime as dt
import sys
from typing import Any

import luigi
import pytest
from support import commands
from support.world import World

import pipeline
from pipeline.kernel import clock
from pipeline.kernel.errors import ConfigError
from pipeline.tasks.daily import DailyWarehouseLoad, LoadHistory
from pipeline.tasks.runtime import command

USAGE = 2
NONE = ["2026-02-30", "2026-13-01", "19.11.2026", "20261119", "2026-W47-4", "26-11-19", " 2026-11-19", "tomorrow", ""]


def typed(*words: str) -> tuple[int | None, str, str]:
    """The exit code, output and errors of a command that ends before it does anything."""
    process = commands.start((commands.LUIGI, "--module", "pipeline", *words, "--local-scheduler"), errors_apart=True)
    output, errors = process.communicate()
    return process.returncode, output, errors


@pytest.mark.parametrize("text", NONE)
def test_a_text_that_is_no_day_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"cannot read the date, because .+; write YYYY-MM-DD, today or yesterday"):
        DailyWarehouseLoad.date.parse(text)


@pytest.mark.parametrize(
    "words",
    [
        ("DailyWarehouseLoad", "--date", "2026-02-30"),
        ("LoadHistory", "--start", "19.11.2026", "--date", "2026-11-19"),
        ("LoadHistory", "--start=", "--date", "2026-11-19"),
        ("ClearDate", "--date", ""),
    ],
)
def test_a_day_that_was_typed_wrong_costs_one_line(words: tuple[str, ...]) -> None:
    code, output, errors = typed(*words)
    option = words[1].removesuffix("=")
    assert output == ""
    [line] = errors.splitlines()
    assert line.startswith(f"cannot read {option}, because ")
    assert line.endswith("; write YYYY-MM-DD, today or yesterday (in UTC)")
    assert code == USAGE == typed("LoadStage", "--date", "2026-11-19", "--tabel", "x")[0]


def test_every_day_of_our_tasks_is_read_so() -> None:
    tasks: list[Any] = [task for name in pipeline.__all__ if issubclass(task := getattr(pipeline, name), luigi.Task)]
    days = [
        (task.__name__, name)
        for task in tasks
        if task.__module__.startswith("pipeline.")
        for name, parameter in task.get_params()
        if isinstance(parameter, luigi.DateParameter) and type(parameter) is luigi.DateParameter
    ]
    assert days == []


@pytest.mark.parametrize(
    ("now", "today"), [("2026-03-01T00:30:00+02:00", "2026-02-28"), ("2026-02-28T23:30:00-05:00", "2026-03-01")]
)
def test_today_and_yesterday_are_days_in_utc(monkeypatch: pytest.MonkeyPatch, now: str, today: str) -> None:
    monkeypatch.setattr(clock, "now", lambda: dt.datetime.fromisoformat(now).astimezone(dt.UTC))
    assert LoadHistory.date.parse("today") == dt.date.fromisoformat(today)
    assert LoadHistory.start.parse("yesterday") == dt.date.fromisoformat(today) - dt.timedelta(days=1)


def test_yesterday_is_loaded_and_the_command_to_run_again_names_its_date(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = clock.today() - dt.timedelta(days=1)
    world.luigi("CreateWarehouse")
    output = world.luigi("ClearDate", "--date", "yesterday")
    assert any(f"markers of {day} were cleared" in output for day in (before, before + dt.timedelta(days=1)))
    monkeypatch.setattr(clock, "now", lambda: dt.datetime(2026, 3, 1, tzinfo=dt.UTC))
    monkeypatch.setattr(sys, "argv", ["/opt/luigi", "LoadHistory", "--start=yesterday", "--date", "today"])
    assert command._typed() == "/opt/luigi LoadHistory --start=2026-02-28 --date 2026-03-01"
