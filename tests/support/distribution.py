"""How the processes of a run share the tests, so that they make costly things once and end together."""

import re
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

# Files that one process runs, as they share what takes long to make: a site of Superset, or loads to disturb.
TOGETHER = {
    "site": re.compile(r"tests/superset/|tests/security/test_(superset_|country_viewers|rotation)"),
    "faults": re.compile("tests/faults/"),
}
# The quick cases of SQL files come first, to fail soon. Then comes what takes long: at the end only short files are
# left, with which no process has to wait long for another.
FIRST = ("tests/sql/", "site", "faults", "tests/spark/", "tests/star/")


class Distribution(LoadFileScheduling):
    """Gives each process a whole file at a time, or all files of a group."""

    def _split_scope(self, nodeid: str) -> str:
        return unit(nodeid)


def unit(nodeid: str) -> str:
    """What one process runs as a whole: the group of a test, or else its file."""
    file: str = nodeid.partition("::")[0]
    return next((name for name, pattern in TOGETHER.items() if pattern.match(file)), file)


def place(nodeid: str) -> int:
    """Where a test comes in a run of several processes; tests of one place keep their order."""
    found = unit(nodeid)
    return next((place for place, start in enumerate(FIRST) if found.startswith(start)), len(FIRST))


@pytest.hookimpl(optionalhook=True)  # as there is none without xdist
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Distribution | None:
    """The distribution of `--dist loadfile`; None, for xdist's own, where another is asked for."""
    if config.getoption("dist") != "loadfile":
        return None
    config.option.loadscopereorder = False  # it would take the files with many tests for those that take long
    return Distribution(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Puts the tests of several processes in its order; a run in one process keeps the order of files."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: place(item.nodeid))
