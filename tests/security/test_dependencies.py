"""What is installed is what was tested: every package is locked with its hash, and bounded where it may break."""

import re
import runpy
from typing import Any

import pytest
import setuptools  # type: ignore[import-untyped]
from packaging.requirements import Requirement
from packaging.version import Version
from support.world import ROOT

LOCKS = (
    "requirements.lock",
    "requirements-dev.lock",
    "requirements-lakehouse.lock",
    "requirements-forecast.lock",
    "requirements-audit.lock",
    "superset/requirements.lock",
    "superset/requirements-mcp.lock",
    "requirements-spark.lock",
    "tests/lakehouse/requirements.lock",
)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Requirement]:
    """What setup.py asks for, but the tools of the tests."""
    found: dict[str, Any] = {}
    monkeypatch.setattr(setuptools, "setup", lambda **said: found.update(said))
    runpy.run_path(str(ROOT / "setup.py"))
    extras = [name for key, names in found["extras_require"].items() if key not in ("dev", "demo") for name in names]
    return [Requirement(text) for text in [*found["install_requires"], *extras]]


def test_no_package_may_be_of_a_major_version_that_nobody_tried(asked: list[Requirement]) -> None:
    assert asked
    assert [str(each) for each in asked if not any(bound.operator == "<" for bound in each.specifier)] == []


def test_the_locked_versions_are_within_the_bounds(asked: list[Requirement]) -> None:
    # Nothing of the demo sends events: what that needs is locked for the tests alone.
    names = (
        "requirements-forecast.lock",
        "requirements-audit.lock",
        "requirements-dev.lock",
        "requirements-lakehouse.lock",
        "requirements.lock",
    )
    text = "".join((ROOT / name).read_text() for name in names)
    locked = dict(re.findall(r"^([\w.-]+)==([\w.]+)", text, re.MULTILINE))
    for each in asked:
        assert Version(locked[each.name.lower()]) in each.specifier, each


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_package_has_its_hash(name: str) -> None:
    packages = re.findall(r"^[\w.\[\]-]+==.*?(?=^\S|\Z)", (ROOT / name).read_text(), re.MULTILINE | re.DOTALL)
    assert packages
    assert [package.split()[0] for package in packages if "--hash=sha256:" not in package] == []
