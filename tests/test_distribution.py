"""How the processes of `make test` share the tests, and the databases that they share."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.databases import run
from support.distribution import FIRST, TOGETHER, place, unit

TESTS = Path(__file__).parent
FILES = [str(file.relative_to(TESTS.parent)) for file in sorted(TESTS.rglob("test_*.py"))]


@pytest.mark.parametrize(
    ("group", "fixture", "type_"),
    [
        ("site", "site", "Site"),
        ("spark", "spark_session", "SparkSession"),
        ("spark", "trained", "Lake"),
        ("spark", "warm", "Callable"),
        ("log", "log_shop", "World"),
        ("log", "log_home", "Path"),
    ],
)
def test_one_process_runs_all_that_share_what_takes_long_to_make(group: str, fixture: str, type_: str) -> None:
    users = [name for name in FILES if re.search(rf"\b{fixture}: {type_}\b", (TESTS.parent / name).read_text())]
    assert users
    assert {unit(f"{name}::test_it") for name in users} == {group}


def test_one_process_runs_all_faults_and_any_other_file_is_a_unit_of_its_own() -> None:
    grouped = [name for name in FILES if any(pattern.match(name) for pattern in TOGETHER.values())]
    assert {unit(f"{name}::test_it[a::b]") for name in FILES if "/faults/" in name} == {"faults"}
    assert all(unit(f"{name}::test_it[a::b]") == name for name in FILES if name not in grouped)


@pytest.mark.parametrize("start", FIRST)
def test_what_comes_first_is_there(start: str) -> None:
    assert [name for name in FILES if place(f"{name}::test_it") == FIRST.index(start)]


CONFTEST = f"""
import sys
sys.path.insert(0, {str(TESTS)!r})
from support.distribution import pytest_collection_modifyitems, pytest_xdist_make_scheduler
"""


def test_processes_take_groups_whole_and_long_ones_first(tmp_path: Path) -> None:
    files = ["tests/sql/test_a.py", "tests/faults/test_b.py", "tests/faults/test_c.py", "tests/feeds/test_d.py"]
    for name in files:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("def test_it():\n    pass\n" + "def test_another():\n    pass\n" * ("feeds" in name))
    (tmp_path / "conftest.py").write_text(CONFTEST)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-n1",
        "--dist=loadfile",
        "-v",
        "-c",
        "/dev/null",
        "--rootdir=.",
        "tests",
    ]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path)
    assert re.findall(r"PASSED (\S+)::test_it", done.stdout) == files


def test_a_database_does_not_wait_for_the_disk(warehouse_url: str) -> None:
    assert run(warehouse_url, "show fsync") == [("off",)]
