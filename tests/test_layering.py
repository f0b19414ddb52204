"""Imports point one way, and each library has its one place."""

import ast
from pathlib import Path

import pytest

import pipeline

ROOT = Path(pipeline.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))

# Each layer may import itself and those before it.
LAYERS = [
    {"kernel"},
    {"catalog"},
    {"lake", "star", "services"},
    {"source", "spark", "operations"},
    {"stage"},
    {"feeds", "trust"},
    {"generators"},
    {"tasks"},
    {"luigid"},
]
ONLY_IN = {
    "psycopg2": {"kernel"},
    "boto3": {"spark"},
    "botocore": {"lake", "spark", "services"},
    "s3transfer": {"lake"},
    "pyarrow": {"lake"},
    "pydantic": {"feeds"},
    "urllib3": {"feeds", "operations"},
    "luigi": {"kernel", "luigid", "tasks", "demo", ""},
}


def module(path: Path) -> str:
    """`extract` for pipeline/source/extract.py, `tasks` for all below pipeline/tasks/, "" for the package itself."""
    first = path.relative_to(ROOT).parts[0].removesuffix(".py")
    return "" if first == "__init__" else first


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{name.name}" for name in node.names}
    return found


def rank(name: str) -> int:
    return next(number for number, layer in enumerate(LAYERS) if name in layer)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_one_way(path: Path) -> None:
    own = module(path)
    if own in ("", "__main__", "demo"):
        return
    for imported in imports(path):
        if imported.startswith("pipeline."):
            other = imported.split(".")[1]
            assert rank(other) <= rank(own), f"{own} imports {other}"


@pytest.mark.parametrize("library", ONLY_IN)
def test_a_library_is_imported_in_its_one_place(library: str) -> None:
    users = {module(path) for path in MODULES if any(name.split(".")[0] == library for name in imports(path))}
    assert users <= ONLY_IN[library]


def test_only_its_task_imports_the_generator() -> None:
    users = {
        str(path.relative_to(ROOT))
        for path in MODULES
        if module(path) != "generators" and any(name.startswith("pipeline.generators") for name in imports(path))
    }
    assert users == {"tasks/simulate.py"}
