"""Writes docs/reference.md and the contracts in docs/feeds.md: `.venv/bin/python docs/reference.py`.

Tasks come from their docstrings, checks from the first lines of their files, columns from the comments in the DDL, and
feeds from their contracts.
"""

import inspect
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pipeline
from pipeline import kpis
from pipeline.kernel import sql_files
from pipeline.trust import checks
from pipeline.vendors.contracts import Contract
from pipeline.vendors.declared_feeds import CONTRACTS

PAGE, FEEDS = (Path(__file__).with_name(name) for name in ("reference.md", "feeds.md"))
BEGIN, END = "<!-- written by docs/reference.py -->\n", "<!-- end -->\n"
HEAD = """# Reference

`docs/reference.py` writes this page from the code. Settings are in [configuration.md](configuration.md), exit codes in
[operations.md](operations.md#exit-codes), commands of `make` in the [README](../README.md#two-commands).

## Tasks

`--date` is a day in UTC. `--workers` and `--local-scheduler` are Luigi's own options. A failure that is "held back"
does not stop the other tasks; `DailyWarehouseLoad` fails for it at the end.
"""
RANGE_DAILY = """Runs a task for each day of a range for which it is not done, the oldest first. `--stop` is exclusive.

The task comes from Luigi.

luigi --module pipeline RangeDaily --of DailyWarehouseLoad --start 2026-11-01 --stop 2026-11-20 --local-scheduler"""
CHECKS = """
## Checks

[Checks that failed](operations.md#checks-that-failed) says what to do. A check marked "whole" runs only when the whole
warehouse is checked.

| check | severity | finds |
|---|---|---|
"""
MART = """
## The columns of mart

Dashboards read the views. The tables hold the sums behind them, and the rows that `LoadMart` has not counted yet.
"""
# A text of several literals, one below the other, is one text in SQL.
COMMENT = re.compile(
    r"^comment on (table|view|column) mart\.(\w+)(?:\.(\w+))? is\s+((?:'(?:[^']|'')*'\s*)+|:\w+)(?:;|\Z)", re.MULTILINE
)


def page() -> str:
    """What the page has to hold."""
    return "".join([HEAD, *_tasks(), CHECKS, *_checks(), MART, *_mart()])


def _tasks() -> Iterator[str]:
    for name in sorted(pipeline.__all__):
        task = getattr(pipeline, name)
        is_ours = task.__module__.startswith("pipeline.")
        text = inspect.cleandoc(task.__doc__) if is_ours else RANGE_DAILY
        yield f"\n### {name}\n"
        if is_ours and (options := ", ".join(f"`--{each.replace('_', '-')}`" for each, _ in task.get_params())):
            yield f"\nOptions: {options}.\n"
        for paragraph in text.split("\n\n"):
            if paragraph.startswith("luigi "):
                commands = re.sub(r" {2,}", " ", paragraph).replace("luigi --module", ".venv/bin/luigi --module")
                yield f"\n```\n{commands}\n```\n"
            else:
                yield f"\n{paragraph}\n"


def _checks() -> Iterator[str]:
    for check in checks.checks():
        severity = f"{check.severity}, whole" if check.whole else check.severity
        yield f"| `{check.name}` | {severity} | {check.title} |\n"


def _mart() -> Iterator[str]:
    for path in sql_files.files("ddl"):
        for kind, relation, column, said in COMMENT.findall(sql_files.read(path)):
            literals = "".join(re.findall(r"'((?:[^']|'')*)'", said)).replace("''", "'")
            text = (kpis.texts()[said[1:]] if said.startswith(":") else literals).replace("|", r"\|")
            if column:
                yield f"| `{column}` | {text} |\n"
            else:
                yield f"\n### mart.{relation}\n\n{text} ({kind})\n\n| column | |\n|---|---|\n"


def feeds_page() -> str:
    """What the page of feeds has to hold: the text around the contracts is its own."""
    before, _, rest = FEEDS.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + "".join(map(_contract, CONTRACTS.values())) + "\n" + END + after


def _contract(contract: Contract) -> str:
    rows = "".join(
        f"| `{field.name}` | {field.kind}{', key' if field.is_key else ''} | {field.rule} | {field.says} "
        f"| {'yes' if field.is_personal else ''} |\n"
        for field in contract.feed.fields
    )
    asked = ", ".join(f"{each.address} ({each.says})" for each in contract.support)
    paragraphs = (
        f"### {contract.feed.name}",
        f"{contract.purpose} {contract.feed.says} Contract {contract.version}.",
        f"| column | type | rule | meaning | personal |\n|---|---|---|---|---|\n{rows.rstrip()}",
        f"When: {contract.due}",
        f"Who answers: {asked}. {contract.team}.",
        f"```\n{contract.example}\n```",
    )
    return "".join(f"\n{_filled(each)}\n" for each in paragraphs)


def _filled(text: str) -> str:
    """A paragraph in lines; a table or a block has lines of its own."""
    return text if "\n" in text else textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False)


if __name__ == "__main__":
    PAGE.write_text(page())
    FEEDS.write_text(feeds_page())
