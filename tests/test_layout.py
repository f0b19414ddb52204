"""The tree of modules: which imports what is a contract of pyproject.toml; the rest is here."""

import ast
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pipeline

ROOT = Path(pipeline.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))
MOST_LINES, MOST_LINES_OF_A_FUNCTION = 300, 50
# What a task needs only once it runs, and some loads never.
HEAVY = (
    "alembic",
    "boto3",
    "botocore",
    "faker",
    "fastapi",
    "pyarrow",
    "pydantic",
    "pyspark",
    "rich",
    "shtab",
    "sqlalchemy",
)


def test_no_two_modules_have_the_same_name() -> None:
    names = Counter(path.name for path in MODULES)
    assert {name for name, count in names.items() if count > 1} == {"__init__.py", "__main__.py"}


def test_no_module_and_no_function_is_too_long_to_be_read_at_once() -> None:
    too_long = []
    for path in MODULES:
        text = path.read_text()
        lengths = {f"{path}": (len(text.splitlines()), MOST_LINES)}
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                lengths[f"{path}:{node.lineno} {node.name}"] = (lines, MOST_LINES_OF_A_FUNCTION)
        too_long += [f"{name}: {lines} lines" for name, (lines, most) in lengths.items() if lines > most]
    assert too_long == []


def test_a_folder_of_modules_is_a_package_that_is_installed() -> None:
    # Spark gets its scripts as files.
    without = {path.parent.relative_to(ROOT) for path in MODULES if not (path.parent / "__init__.py").exists()}
    assert without == {Path("spark/scripts")}


def test_the_tasks_are_imported_without_heavy_packages() -> None:
    script = f"import pipeline, sys; print(*(name for name in {HEAVY} if name in sys.modules))"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ended.stdout.split() == []
