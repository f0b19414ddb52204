"""Verifies what README.md and docs/ claim, by docs/claims.yaml: `make claims`.

    .venv/bin/python docs/claims.py                  # figures of the code, and what is verified in minutes
    .venv/bin/python docs/claims.py --nightly        # and what takes longer
    .venv/bin/python docs/claims.py --uncovered      # figures without an entry

Figures that the code has are written into the pages anew. Of each command that was run, docs/claims_runs.json keeps
when, where and how it ended.
"""

import argparse
import ast
import datetime as dt
import json
import os
import platform
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

ROOT = Path(__file__).parents[1]
ENTRIES, RUNS = ROOT / "docs/claims.yaml", ROOT / "docs/claims_runs.json"
PAGES = ("README.md", *sorted(str(page.relative_to(ROOT)) for page in (ROOT / "docs").glob("*.md")))

UNITS = """
s ms seconds? minutes? min hours? days? weeks? months? years? % pp ×
bytes kB MB GB MiB GiB rows? rows/s orders lines reviews dates changes
times million requests statements commits tests faults warehouses histories tasks files tables columns
cores connections events viewers pixels points
"""
FIGURE = re.compile(rf"(?<![\w.,:/`-])\d[\d,.]*(?:[–-]\d[\d,.]*)?\s?(?:{'|'.join(UNITS.split())})(?![\w/])")
PROMISE = re.compile(r"<!-- promise: ([a-z-]+) -->")
PLACE = re.compile(r"\{([\w./]+):(\w+)(?: as (\w+))?\}")
SCALES = {"kB": 2**10, "MiB": 2**20, "days": 86_400}
CHEAP, NIGHTLY, BY_HAND = "cheap", "nightly", "by hand"


@dataclass(frozen=True)
class Line:
    """A line of a page outside of blocks of code, with the heading above it."""

    page: str
    number: int
    heading: str
    text: str

    @property
    def claims(self) -> list[re.Match[str]]:
        """Its figures, and its marks of promises."""
        return [*FIGURE.finditer(self.text), *PROMISE.finditer(self.text)]


@dataclass(frozen=True)
class Entry:
    """What a page claims, and what verifies it.

    `says` is a text within a line, in which the code's own figures stand as `{path:NAME}`; without it all figures
    under the heading `under` are meant. `promise` is the name of one that the page marks. `excluded` says why what
    looks like a claim is none.
    """

    page: str
    under: str = ""
    says: str = ""
    promise: str = ""
    test: str = ""
    nightly: bool = False
    run: str = ""
    cost: str = ""
    writes: bool = False
    by: str = "self"
    excluded: str = ""

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Finds what it says, whatever the code's figures are."""
        return re.compile(r"\d[\d,.]*".join(map(re.escape, PLACE.split(self.says)[:: PLACE.groups + 1])))

    def covers(self, line: Line, claim: re.Match[str]) -> bool:
        """Whether it tells of a claim in a line."""
        if self.page != line.page or self.under not in ("", line.heading):
            return False
        if self.promise or claim.re is PROMISE:
            return claim[claim.re.groups] == self.promise
        if not self.says:
            return True
        return any(found.start() <= claim.start() < found.end() for found in self.pattern.finditer(line.text))

    @cached_property
    def said(self) -> str:
        """What the page must say, with the figures of the code."""
        return PLACE.sub(lambda found: _figure(*found.groups()), self.says)

    @property
    def has_figures(self) -> bool:
        """Whether it has figures of the code."""
        return bool(PLACE.search(self.says))


def _figure(path: str, name: str, unit: str | None) -> str:
    """The value of a constant in a file, in a unit. Nothing is imported: some files are for other environments."""
    for node in ast.parse((ROOT / path).read_text("utf-8")).body:
        if isinstance(node, ast.Assign):
            names = [each.id for each in ast.walk(node.targets[0]) if isinstance(each, ast.Name)]
            if name in names:
                value = eval(compile(ast.Expression(node.value), path, "eval"), {"__builtins__": {}})  # noqa: S307
                value = value if len(names) == 1 else value[names.index(name)]
                return f"{value / SCALES[unit] if unit else value:,.10g}"
    raise LookupError(f"cannot find {name} in {path}, because it is no constant there; correct docs/claims.yaml")


def lines() -> Iterator[Line]:
    """All lines of the pages that may claim something."""
    for page in PAGES:
        heading, is_code = "", False
        for number, text in enumerate((ROOT / page).read_text("utf-8").splitlines(), 1):
            is_code ^= text.startswith("```")
            if not is_code and text.startswith("#"):
                heading = text.lstrip("# ")
            if not is_code:
                yield Line(page, number, heading, text)


def entries() -> list[Entry]:
    """The entries of docs/claims.yaml."""
    pages: dict[str, list[dict[str, Any]]] = yaml.safe_load(ENTRIES.read_text("utf-8"))
    return [Entry(page, **each) for page, found in pages.items() for each in found]


def uncovered(known: Iterable[Entry]) -> list[str]:
    """The claims without an entry, each with its page and line."""
    known = list(known)
    return [
        f"{line.page}:{line.number}: {claim[0]}"
        for line in lines()
        for claim in line.claims
        if not any(entry.covers(line, claim) for entry in known)
    ]


def drifted(known: Iterable[Entry]) -> list[Entry]:
    """The entries whose figures are others in the page than in the code."""
    return [entry for entry in known if entry.has_figures and entry.said not in (ROOT / entry.page).read_text("utf-8")]


def correct(entry: Entry) -> None:
    """Writes the code's figures into the page."""
    path = ROOT / entry.page
    path.write_text(entry.pattern.sub(lambda _: entry.said, path.read_text("utf-8")), "utf-8")


def machine() -> str:
    """What a figure depends on, without the name of the machine."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.machine()}"


def runs() -> dict[str, Any]:
    """How each command ended the last time."""
    return dict(json.loads(RUNS.read_text("utf-8"))) if RUNS.exists() else {}


def run(command: str, blocks: Iterable[Entry] = ()) -> bool:
    """Runs a command in the checkout, and keeps when, where and how it ended; returns whether that was well.

    What it printed replaces the block of code under the headings of `blocks`.
    """
    print(f"{command} ...", flush=True)
    started = time.monotonic()
    ended = subprocess.run(shlex.split(command), cwd=ROOT, check=False, stdout=subprocess.PIPE, text=True)
    print(ended.stdout)
    outcome = "held" if ended.returncode == 0 else f"exit code {ended.returncode}"
    if outcome == "held":
        for block in blocks:
            _write(block, ended.stdout)
    told: dict[str, Any] = {"date": str(dt.datetime.now(dt.UTC).date()), "machine": machine(), "outcome": outcome}
    told["seconds"] = round(time.monotonic() - started)
    RUNS.write_text(json.dumps(runs() | {command: told}, indent=1, sort_keys=True) + "\n", "utf-8")
    return outcome == "held"


def _write(block: Entry, text: str) -> None:
    """Replaces the block of code under a heading."""
    path = ROOT / block.page
    before, heading, rest = path.read_text("utf-8").partition(f"# {block.under}\n")
    above, fence, rest = rest.partition("```\n")
    path.write_text(before + heading + above + fence + text.strip("\n") + "\n```" + rest.partition("\n```")[2], "utf-8")


def main() -> int:
    """Writes the code's figures, runs what verifies the others, and says what did not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nightly", action="store_true", help="also what takes longer than some minutes")
    parser.add_argument("--uncovered", action="store_true", help="print the claims without an entry, and end")
    arguments = parser.parse_args()
    known = entries()
    if missing := uncovered(known):
        print(*missing, sep="\n")
        print(f"cannot verify {len(missing)} claims, because docs/claims.yaml has no entry for them; add one for each")
    if arguments.uncovered:
        return bool(missing)
    for entry in drifted(known):
        print(f"{entry.page}: {entry.said}")
        correct(entry)
    costs = (CHEAP, NIGHTLY) if arguments.nightly else (CHEAP,)
    commands = sorted({entry.run for entry in known if entry.run and entry.cost in costs})
    failed = [
        each for each in commands if not run(each, [entry for entry in known if entry.writes and entry.run == each])
    ]
    print(f"{len(commands) - len(failed)} of {len(commands)} commands held what the pages say.", *failed, sep="\n")
    return bool(missing or failed)


if __name__ == "__main__":
    sys.exit(main())
