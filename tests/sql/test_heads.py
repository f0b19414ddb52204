"""The head of each file of the warehouse says what the statement below it is and does."""

import re

import pytest

from pipeline.kernel import sql_files

FOLDERS = ("work", "checks", "write", "reconcile")
FILES = [path for folder in FOLDERS for path in sql_files.files(folder)]

COMMENT_OR_TEXT = re.compile(r"--[^\n]*|'(?:[^']|'')*'")
WRITING = re.compile(r"\b(?:insert|update|delete|merge|create|alter|drop|truncate|copy)\b")
EXTRACT = re.compile(r"\bextract\([a-z]+ from ")
NAME = r"(?::?[a-z_]+(?:\.[a-z_]+)?)"
CTE = re.compile(r"([a-z_]+) as (?:not materialized |materialized )?\((?=\s*(?:select|with|insert|update|delete)\b)")
# Not `is distinct from`, and not a function in place of a table. `delete from` writes.
READ = re.compile(
    rf"(?<!distinct )(?<!delete )\b(?:from|join)\s+(?!lateral\b|select\b)(?:\((:[a-z_]+)\)|({NAME})\b(?!\.|\s*\())"
)
# The first is that of a `delete`, on a line of its own: that of a join follows its relation.
ALONE = re.compile(rf"^\s*using (?:\((:[a-z_]+)\)|({NAME}))|^(:[a-z_]+)$", re.MULTILINE)
WRITTEN = re.compile(rf"\b(?:insert into|delete from|create (?:[a-z]+ )?table) ({NAME})|^update ({NAME})", re.MULTILINE)


def relations(text: str) -> tuple[set[str], set[str]]:
    """The tables, and the variables that stand for relations, that a statement reads, and those that it writes."""
    text = EXTRACT.sub("", COMMENT_OR_TEXT.sub("''", text))
    here = set(CTE.findall(text))
    return (_found(READ, text) | _found(ALONE, text)) - here, _found(WRITTEN, text)


def _found(pattern: re.Pattern[str], text: str) -> set[str]:
    return {next(filter(None, match.groups())) for match in pattern.finditer(text)}


@pytest.mark.parametrize("path", FILES)
def test_reads_and_writes_are_those_of_the_statement(path: str) -> None:
    head = sql_files.head(path)
    reads, writes = relations(sql_files.read(path))
    assert (list(head.reads), list(head.writes)) == (sorted(reads), sorted(writes))


@pytest.mark.parametrize("path", FILES)
def test_a_select_writes_nothing_and_says_what_a_row_is(path: str) -> None:
    head = sql_files.head(path)
    statement = COMMENT_OR_TEXT.sub("''", sql_files.read(path))
    assert bool(WRITING.search(statement)) == (head.kind == "write")
    assert bool(head.grain) == (head.kind == "select")
    assert bool(head.writes) == (head.kind == "write")
    assert head.kind == "write" if path.startswith("write/") else head.kind == "select"


@pytest.mark.parametrize("path", FILES)
def test_checks_alone_say_how_bad_a_row_is(path: str) -> None:
    head = sql_files.head(path)
    assert (head.severity in ("error", "warn") and bool(head.title)) == path.startswith("checks/")


@pytest.mark.parametrize(
    "text",
    [
        "select 1",
        "-- What it is.\nselect 1",
        "-- kind: select\n-- reads: nothing\n-- rerun: gives the same rows\nselect 1",
        "-- kind: read\n-- grain: one row\n-- reads: nothing\n-- rerun: gives the same rows\nselect 1",
        "-- kind: select\n-- grain: one row\n-- rerun: gives the same rows\nselect 1",
        "-- kind: select\n-- grain: one row\n-- rerun: gives the same rows\n-- reads: nothing\nselect 1",
        "-- kind: write\n-- reads: nothing\n-- rerun: fails\ninsert into t select 1",
    ],
)
def test_a_head_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="the head of warehouse/x"):
        sql_files.parse("x", text)


def test_a_long_field_goes_on_in_an_indented_line() -> None:
    head = sql_files.parse(
        "x",
        "-- kind: select\n-- grain: one row\n-- reads: a,\n--     b\n-- rerun: gives\n--     it\n-- Says\n-- all.\n",
    )
    assert (head.reads, head.rerun, head.text) == (("a", "b"), "gives it", "Says all.")


@pytest.mark.parametrize("path", FILES)
def test_no_comment_is_left_that_would_hide_what_follows_where_a_select_is_part_of_a_statement(path: str) -> None:
    assert "--" not in sql_files.COMMENT.sub("", sql_files.read(path))
