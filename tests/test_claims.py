"""Each claim of README.md and docs/ has an entry in docs/claims.yaml, and the pages have the figures of the code."""

import ast
import importlib.util
import json
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml  # type: ignore[import-untyped]
from support.world import ROOT

from pipeline.kernel import limits
from pipeline.kernel.settings import every_setting


@pytest.fixture(scope="module")
def claims() -> ModuleType:
    """docs/claims.py, which is in no package."""
    spec = importlib.util.spec_from_file_location("claims", ROOT / "docs/claims.py")
    assert spec
    assert spec.loader
    module = sys.modules["claims"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text("utf-8")


def test_every_claim_says_what_verifies_it(claims: ModuleType) -> None:
    assert claims.uncovered(claims.entries()) == []


def test_every_entry_is_of_a_claim_and_says_one_way_to_verify_it(claims: ModuleType) -> None:
    said = [(line, claim) for line in claims.lines() for claim in line.claims]
    for entry in claims.entries():
        assert entry.writes or any(entry.covers(line, claim) for line, claim in said), entry
        assert sum(map(bool, (entry.test, entry.run, entry.excluded))) == 1, entry
        assert entry.by in ("self", "independent"), entry
        assert (entry.cost in (claims.CHEAP, claims.NIGHTLY, claims.BY_HAND)) == bool(entry.run), entry
        assert not entry.writes or entry.under, entry


def test_a_figure_without_an_entry_and_a_promise_without_one_are_found(
    claims: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [
        "Loads take 3.5 s and 20 MB.",
        "Nothing is lost. <!-- promise: nothing-lost -->",
        "Port 8088 of version 18.",
    ]
    lines = [claims.Line("a.md", number, "Speed", text) for number, text in enumerate(texts, 1)]
    monkeypatch.setattr(claims, "lines", lambda: iter(lines))
    assert claims.uncovered([claims.Entry("a.md", says="take 3.5 s")]) == [
        "a.md:1: 20 MB",
        "a.md:2: <!-- promise: nothing-lost -->",
    ]
    known = [claims.Entry("a.md", under="Speed"), claims.Entry("a.md", promise="nothing-lost")]
    assert claims.uncovered(known) == []
    assert len(claims.uncovered([claims.Entry("a.md", under="Size"), claims.Entry("b.md")])) == 3


def test_the_pages_have_the_figures_of_the_code(claims: ModuleType) -> None:
    assert [entry.said for entry in claims.drifted(claims.entries())] == []


def test_a_figure_that_drifted_is_found_and_written_anew(
    claims: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(claims, "ROOT", tmp_path)
    (tmp_path / "a.md").write_text("It looks 1,234 days ahead, and 7 days back.\n")
    (tmp_path / "ahead.py").write_text("AGO, AHEAD = 7, 2 << 10\n")
    entry = claims.Entry("a.md", says="looks {ahead.py:AHEAD} days ahead")
    assert claims.drifted([entry]) == [entry]
    claims.correct(entry)
    assert (tmp_path / "a.md").read_text() == "It looks 2,048 days ahead, and 7 days back.\n"
    assert claims.drifted([entry]) == []


def test_what_a_command_prints_replaces_the_block_under_its_heading(
    claims: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(claims, "ROOT", tmp_path)
    monkeypatch.setattr(claims, "RUNS", tmp_path / "runs.json")
    text = "## Size\n\n```\n1\n```\n\n## Speed\n\nIn seconds:\n\n```\n2\n3\n```\n\nThat is all.\n"
    (tmp_path / "a.md").write_text(text)
    entry = claims.Entry("a.md", under="Speed", run="echo 4", cost="cheap", writes=True)
    assert claims.run("echo 4", [entry])
    assert (tmp_path / "a.md").read_text() == text.replace("2\n3", "4")
    assert not claims.run("false", [entry])
    assert (tmp_path / "a.md").read_text() == text.replace("2\n3", "4")
    assert {command: run["outcome"] for command, run in claims.runs().items()} == {
        "echo 4": "held",
        "false": "exit code 1",
    }


def test_every_test_that_is_named_exists(claims: ModuleType) -> None:
    for entry in claims.entries():
        path, _, name = entry.test.partition("::")
        if path:
            tree = ast.parse((ROOT / path).read_text("utf-8"))
            tests = {each.name for each in tree.body if isinstance(each, ast.FunctionDef)}
            assert not name or name in tests, entry
            assert any(each.startswith("test_") for each in tests), entry


def test_every_command_held_when_it_was_run_last(claims: ModuleType) -> None:
    runs = json.loads((ROOT / "docs/claims_runs.json").read_text("utf-8"))
    commands = {entry.run for entry in claims.entries() if entry.run}
    assert set(runs) == commands
    assert {command for command, run in runs.items() if run["outcome"] != "held"} == set()


# What follows verifies figures that no name of the code has.


def size(environment: str) -> float:
    """Gigabytes of a virtual environment."""
    files = (ROOT / environment).resolve().rglob("*")
    return sum(each.stat().st_size for each in files if each.is_file() and not each.is_symlink()) / 1e9


def test_the_environments_take_no_more_disk_than_the_page_says() -> None:
    told = re.search(r"about ([\d.]+) GB", (ROOT / "README.md").read_text("utf-8"))
    assert told
    found = sum(map(size, (".venv", ".venv-superset", ".venv-forecast", ".venv-lakehouse")))
    assert 0.5 * float(told[1]) < found <= float(told[1]) + 0.1


def test_the_limits_of_the_guide_are_those_that_are_set() -> None:
    told = dict(re.findall(r"^\| `?(\w+)`?[^|]* \| ([^|]+ \| [^|]+) \|$", page("roles.md"), re.MULTILINE))
    for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "temp_file_limit"):
        both = [each.settings[name].replace("60s", "1min") for each in (limits.READER, limits.ANALYST)]
        assert told[name].replace(" ", "").split("|") == both
    assert told["connections"] == f"{limits.READER.connections} | {limits.ANALYST.connections}"


class _Template(yaml.SafeLoader):
    """Reads a template of CloudFormation, whose functions mean nothing here."""


_Template.add_multi_constructor("!", lambda *_: None)


def test_the_alarms_of_the_guide_are_those_of_the_templates() -> None:
    found = {}
    for name in ("data", "service"):
        text = (ROOT / f"deploy/aws/{name}.yaml").read_text("utf-8")
        found.update(yaml.load(text, _Template)["Resources"])
    silent, full = found["NoLoad"]["Properties"], found["StorageAlarm"]["Properties"]
    hours = silent["Period"] * silent["EvaluationPeriods"] / 3600
    assert f"no date was loaded for {hours:g} hours" in page("operations.md")
    assert f"less than {full['Threshold'] >> 30} GiB free" in page("operations.md")


def test_the_limit_of_lost_orders_is_that_of_the_pages() -> None:
    [limit] = [setting for setting in every_setting() if setting.name == "lost_order_limit"]
    assert f"(`lost_order_limit` in `luigi.cfg`, {float(limit.default):.0%})".replace("%", " %") in page(
        "dashboards.md"
    )


def test_a_forecast_of_eleven_countries_has_about_2000_rows(claims: ModuleType) -> None:
    assert int(claims._figure("pipeline/forecast/expected_days.py", "AHEAD", None)) * 2 * (11 + 1) == pytest.approx(
        2000, rel=0.1
    )


def test_the_outlook_shows_as_many_days_as_the_pages_say() -> None:
    view = (ROOT / "warehouse/ddl/44_forecast.sql").read_text("utf-8")
    [days] = re.findall(r"select max\(each\.day\) - (\d+) from mart\.sales_by_day", view)
    assert f"the last {days} days" in page("dashboards.md")
    assert f"the last {days} days." in page("forecast.md")
    assert f"Sales of the last {days} days" in view
