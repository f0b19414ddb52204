"""Makes one mistake at a time in a copy of the checkout, and runs the test that must notice it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from mutations.entries import BadEntry, Entry

NOTICED, SURVIVED, BROKEN = "noticed", "SURVIVED", "broken"
PASSED, FAILED = 0, 1  # exit codes of pytest
ENDLESS = -1  # no code of pytest's: without its guard a load may wait for ever
LONGEST = 120  # seconds of a test


@contextmanager
def copied(root: Path) -> Iterator[Path]:
    """A copy of the checkout's tracked files, with its environments as links."""
    with TemporaryDirectory(prefix="mutations-") as folder:
        copy = Path(folder)
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, check=True, capture_output=True, text=True).stdout
        for name in filter(None, listed.split("\0")):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, copy / name, follow_symlinks=False)
        for environment in root.glob(".venv*"):
            (copy / environment.name).symlink_to(environment.resolve())
        yield copy


def tested(copy: Path, *tests: str) -> int:
    """The exit code of pytest for some tests, of which the first that fails ends it, or ENDLESS."""
    paths = {"PYTHONPATH": f"{copy}:{copy / 'tests'}", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    longest = LONGEST * len(tests)
    try:
        return subprocess.run(
            command, cwd=copy, env=os.environ | paths, capture_output=True, timeout=longest
        ).returncode
    except subprocess.TimeoutExpired:
        return ENDLESS


def judge(copy: Path, entry: Entry) -> str:
    """Whether the test notices the mistake. Takes the mistake back."""
    path = copy / entry.file
    text = path.read_text()
    try:
        mutated = entry.mutated(text)
        if path.suffix == ".py":
            compile(mutated, entry.file, "exec")
    except (BadEntry, SyntaxError):
        return BROKEN
    path.write_text(mutated)
    try:
        code = tested(copy, entry.test)
    finally:
        path.write_text(text)
    return {FAILED: NOTICED, ENDLESS: NOTICED, PASSED: SURVIVED}.get(code, BROKEN)
