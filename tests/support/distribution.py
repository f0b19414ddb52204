"""Distributes the tests over the processes of a run, so that they make costly things once and end together."""

import re
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

# Files that one process runs, because they share something costly: a site of Superset, disturbed loads, a warm
# Spark of either version, or services whose source has a server of its own.
TOGETHER = {
    "site": re.compile(r"tests/superset/|tests/security/test_(superset_|country_viewers|rotation)"),
    "faults": re.compile("tests/faults/"),
    "lakehouse": re.compile("tests/(lakehouse/(?!test_log|test_compared)|spark/test_emr_star)"),
    "spark": re.compile("tests/(spark/|sql/test_spark|security/test_model_trust|lakehouse/test_compared)"),
    "log": re.compile(
        r"tests/(source/test_log|lakehouse/test_log_star|operations/test_following|people/test_logged_order"
        r"|security/test_lake_windows|services/test_source|enumerated|histories)"
    ),
}
# The quick cases of SQL files come first, to fail soon. Then come the long files. So only short files are left at the
# end, and no process waits long for another one.
FIRST = ("tests/sql/", "site", "faults", "lakehouse", "spark", "log", "tests/services/", "tests/star/")


class Distribution(LoadFileScheduling):
    """Gives each process a whole file at a time, or all files of a group."""

    def _split_scope(self, nodeid: str) -> str:
        return unit(nodeid)


def unit(nodeid: str) -> str:
    """The tests that one process runs as a whole: the group of a test, or its file."""
    file: str = nodeid.partition("::")[0]
    return next((name for name, pattern in TOGETHER.items() if pattern.match(file)), file)


def place(nodeid: str) -> int:
    """The place of a test in a run of several processes; tests of one place keep their order."""
    found = unit(nodeid)
    return next((place for place, start in enumerate(FIRST) if found.startswith(start)), len(FIRST))


@pytest.hookimpl(optionalhook=True)  # without xdist there is no such hook
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Distribution | None:
    """The distribution of `--dist loadfile`; None, for xdist's own, with another --dist."""
    if config.getoption("dist") != "loadfile":
        return None
    config.option.loadscopereorder = False  # it would start with the files with most tests, not the longest
    return Distribution(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Sorts the tests of several processes by place. A run in one process keeps the order of files."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: place(item.nodeid))
