"""Each guard of the code has a mistake in the list, and the runner tells one that is noticed from one that is not."""

import ast
from functools import cache
from pathlib import Path

import pytest
from support import sql_cases

from mutations import runner
from mutations.entries import LISTS, MISSING, ROOT, BadEntry, Entry, entries, guarded, guards, without_raise
from pipeline.kernel import sql_files

MOST_MISSING = 3  # guards without an entry; may only become fewer
GUARDED = "def half(n):\n    if n % 2:\n        raise ValueError(\n            n\n        )\n    return n // 2\n"
TESTS = (
    "import pytest\nfrom half import half\n\n\ndef test_odd():\n    with pytest.raises(ValueError):\n        half(3)\n"
)
HARMLESS = "\n\ndef test_even():\n    assert half(4) == 2\n"


def test_every_guard_has_an_entry_or_is_among_the_missing() -> None:
    having = {guard for each in entries() for guard in guarded(each)}
    missing = MISSING.read_text().split()
    assert sorted(guards() - having) == missing
    assert len(missing) <= MOST_MISSING


def test_every_entry_stands_once_and_its_mistake_can_be_made() -> None:
    names = [each.name for each in entries()]
    assert len(names) == len(set(names))
    for each in entries():
        mutated = each.mutated((ROOT / each.file).read_text())
        if each.file.endswith(".py"):
            compile(mutated, each.file, "exec")


def test_every_named_test_is_there() -> None:
    cases = {f"tests/sql/test_cases.py::test_case[{case}]" for case in all_cases()}
    for each in entries():
        file, *names = each.test.partition("[")[0].split("::")
        assert names[-1] in functions(ROOT / file), each.test
        assert each.test in cases or not each.test.startswith("tests/sql/test_cases.py::test_case["), each.test


def all_cases() -> list[sql_cases.Case]:
    return [case for folder in ("work", "checks", "write", "reconcile") for path in sql_files.files(folder)
            for case in sql_cases.cases(path)]  # fmt: skip


@cache
def functions(path: Path) -> frozenset[str]:
    """The names of a module's functions."""
    return frozenset(node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef))


def test_the_lists_are_sorted_by_package_and_none_is_empty() -> None:
    assert all(path.read_text().startswith("- ") for path in LISTS.glob("*.yaml"))


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of a checkout with a guard and its tests."""
    (tmp_path / "half.py").write_text(GUARDED)
    (tmp_path / "test_half.py").write_text(TESTS + HARMLESS)
    return tmp_path


@pytest.mark.parametrize(
    ("test", "guard", "said"),
    [
        ("test_odd", "half#1", runner.NOTICED),
        ("test_even", "half#1", runner.SURVIVED),
        ("test_gone", "half#1", runner.BROKEN),
        ("test_odd", "half#2", runner.BROKEN),
    ],
)
def test_a_mistake_is_noticed_or_survives_and_is_taken_back(copy: Path, test: str, guard: str, said: str) -> None:
    assert runner.judge(copy, Entry("half", "half.py", f"test_half.py::{test}", guard=guard)) == said
    assert (copy / "half.py").read_text() == GUARDED


def test_a_mistake_that_does_not_compile_is_not_taken_for_noticed(copy: Path) -> None:
    assert (
        runner.judge(copy, Entry("half", "half.py", "test_half.py::test_odd", "if n % 2:", "if n %")) == runner.BROKEN
    )


def test_a_raise_becomes_pass_and_no_line_moves() -> None:
    assert without_raise(GUARDED, "half#1").splitlines() == [*GUARDED.splitlines()[:2], "        pass", "", "",
                                                             "    return n // 2"]  # fmt: skip


def test_a_text_that_stands_twice_is_no_place() -> None:
    with pytest.raises(BadEntry, match="2 times"):
        Entry("half", "half.py", "", "n\n", "m\n").mutated("n\nn\n")
