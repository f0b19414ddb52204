"""The list of mistakes, and what must have one.

An entry of list/*.yaml is either the n-th raise of a function, which becomes `pass`, or a text of a file that becomes
another. Both name the test that must fail then.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml  # type: ignore[import-untyped]

ROOT = Path(__file__).resolve().parents[2]
LISTS = Path(__file__).parent / "list"
MISSING = Path(__file__).parent / "missing.txt"
PACKAGES = ("lake", "source", "stage", "star", "trust", "feeds", "vendors")
SQL = ("checks", "reconcile", "write", "work")
LIMIT = re.compile(r"(MOST|LONGEST|LARGEST)(_[A-Z_]+)?|READER|ANALYST")


class BadEntry(Exception):
    """An entry that does not fit the code."""


@dataclass(frozen=True)
class Entry:
    """A mistake, and the test that must notice it."""

    name: str
    file: str
    test: str
    old: str = ""
    new: str = ""
    guard: str = ""

    def mutated(self, text: str) -> str:
        """The file's text with the mistake. Raises BadEntry if its place is not there exactly once."""
        if self.guard:
            return without_raise(text, self.guard)
        if (times := text.count(self.old)) != 1:
            raise BadEntry(f"cannot make {self.name}, because its text stands {times} times in {self.file}; correct it")
        return text.replace(self.old, self.new)


def entries() -> list[Entry]:
    """All entries, in the order of the lists."""
    return [entry(fields) for path in sorted(LISTS.glob("*.yaml")) for fields in yaml.safe_load(path.read_text())]


def entry(fields: dict[str, str]) -> Entry:
    """An entry of its fields in a list."""
    if "guard" in fields:
        file, _, guard = fields["guard"].partition("::")
        return Entry(fields["guard"], file, fields["test"], guard=guard)
    name = f"{fields['file']}: {fields['from']} -> {fields['to']}"
    return Entry(name, fields["file"], fields["test"], fields["from"], fields["to"])


def raises(text: str) -> Iterator[tuple[str, ast.Raise]]:
    """The raises of a module, each named after its function and its place there; no bare raise."""
    counts: dict[str, int] = {}
    for where, each in _raises(ast.parse(text), ()):
        counts[where] = counts.get(where, 0) + 1
        yield f"{where}#{counts[where]}", each


def _raises(node: ast.AST, scope: tuple[str, ...]) -> Iterator[tuple[str, ast.Raise]]:
    for child in ast.iter_child_nodes(node):
        inner = scope
        if isinstance(child, ast.FunctionDef | ast.ClassDef):
            inner = (*scope, child.name)
        if isinstance(child, ast.Raise) and child.exc and "NotImplementedError" not in ast.unparse(child.exc):
            yield ".".join(scope), child
        yield from _raises(child, inner)


def without_raise(text: str, guard: str) -> str:
    """The text with one raise less. The number of lines stays."""
    found = dict(raises(text)).get(guard)
    if found is None:
        raise BadEntry(f"cannot take {guard} away, because no such raise is there; correct its name")
    lines = text.splitlines(keepends=True)
    first, last = found.lineno - 1, found.end_lineno or found.lineno
    lines[first:last] = [f"{lines[first][: found.col_offset]}pass\n", *["\n"] * (last - first - 1)]
    return "".join(lines)


def guards() -> set[str]:
    """What must have an entry: each raise, each SQL file and each limit."""
    modules = {package: sorted((ROOT / "pipeline" / package).rglob("*.py")) for package in (*PACKAGES, "kernel")}
    found = {
        f"{path.relative_to(ROOT)}::{name}"
        for package in PACKAGES
        for path in modules[package]
        for name, _ in raises(path.read_text())
    }
    found |= {str(path.relative_to(ROOT)) for folder in SQL for path in (ROOT / "warehouse" / folder).rglob("*.sql")}
    for path in (path for paths in modules.values() for path in paths):
        found |= {f"{path.relative_to(ROOT)}::{name}" for name in limits(path.read_text())}
    return found


def limits(text: str) -> Iterator[str]:
    """The names of a module's constants that are limits."""
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign):
            names = (name.id for target in node.targets for name in ast.walk(target) if isinstance(name, ast.Name))
            yield from (name for name in names if LIMIT.fullmatch(name))


def guarded(each: Entry) -> set[str]:
    """The guards that an entry is a mistake of."""
    if each.guard:
        return {each.name}
    if each.file.endswith(".sql"):
        return {each.file}
    return {f"{each.file}::{name}" for name in re.findall(r"\w+", each.old) if LIMIT.fullmatch(name)}
