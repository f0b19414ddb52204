"""`python -m pipeline check-feed`: what a load would keep of a file, as text or JSON."""

import textwrap
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from pipeline.kernel.errors import printable
from pipeline.operations.state import ERROR, EXIT_CODES, WARN
from pipeline.operations.summary import table
from pipeline.people import feed_check, painted
from pipeline.people.feed_check import Checked, Problem
from pipeline.people.records import as_text
from pipeline.vendors.contracts import Contract


def show(path: Path, feed: str | None, *, personal: bool, as_json: bool) -> int:
    """Prints what a load would keep of a file; returns the exit code."""
    found = feed_check.check(path, feed, personal=personal)
    if as_json:
        print(as_text(_record(found)))
    else:
        painted.show("\n".join(_lines(found)))
    return EXIT_CODES[ERROR if found.refused else WARN if found.rejected else None]


def _record(found: Checked) -> dict[str, object]:
    contract = found.contract
    told = {"feed": contract.feed.name, "version": contract.version, "due": contract.due} if contract else {}
    asked = {"team": contract.team, "support": [each._asdict() for each in contract.support]} if contract else {}
    rows = {"rows": found.rows, "kept": found.kept, "rejected": found.rejected, "refused": found.refused}
    lists = {name: [asdict(each) for each in getattr(found, name)] for name in ("differences", "problems", "kinds")}
    return {"file": found.file, **told, **rows, **lists, "warnings": found.warnings, **asked}


def _lines(found: Checked) -> Iterator[str]:
    contract = found.contract
    of = f"{contract.feed.name}, contract {contract.version}" if contract else "of no feed"
    yield f"{printable(found.file)}: {of}"
    yield f"rows: {found.rows:,} read, {found.kept:,} kept, {found.rejected:,} rejected"
    if found.refused:
        yield f"\nThe load refuses the file: {found.refused}"
    for each in found.differences:
        yield f"\n{each.what}\n    fix: {each.fix}"
    place = "entry" if contract and contract.form == "json" else "line"
    for problem in found.problems:
        yield "\n" + _problem(problem, place)
    if found.kinds:
        rows = [[each.reason, f"{each.rows:,}", f"{each.first_line:,}"] for each in found.kinds]
        yield "\n" + table(["rejected because", "rows", f"first {place}"], rows)
    for warning in found.warnings:
        yield f"\nNote: {warning}."
    yield from _contacts(contract) if contract else ()


def _problem(problem: Problem, place: str) -> str:
    column = f", column {problem.column}" if problem.column else ""
    lines = [
        f"{place} {problem.line:,}{column}: {problem.reason}",
        f"    has:  {problem.value or 'nothing'}",
        f"    rule: {problem.rule}",
        f"    fix:  {problem.fix}",
    ]
    return "\n".join(lines)


def _contacts(contract: Contract) -> Iterator[str]:
    yield "\n" + textwrap.fill(f"Due: {contract.due}", 120)
    for each in contract.support:
        yield f"Ask: {each.address} ({each.says}). {contract.team}"
