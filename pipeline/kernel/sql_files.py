r"""Finds the files under warehouse/ and fills in their variables, as psql does with `\set`.

A file names a variable `:name`. A plain value becomes a quoted literal; an identifier or a relation is given as
psycopg2's own composable. So the same file runs in psql after `\set name value`.
"""

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from pipeline.kernel.postgres import sql

# Left out, as psql does: a variable in a comment may stand for several lines, and a select may end with a comment.
COMMENT = re.compile(r"^ *--.*\n?| +-- [^'\n]*$", re.MULTILINE)
VARIABLE = re.compile(r"(?<![:\w]):([a-z_]+)")
# A field that needs more than a line goes on in lines that are indented.
GOES_ON = re.compile(r"\n--  +")
HEAD = re.compile(
    r"-- kind: (?:select\n"
    r"(?:-- check: (?P<severity>error|warn)(?P<whole>, whole)?: (?P<title>.+)\n)?"
    r"-- grain: (?P<grain>one row.*)\n"
    r"-- reads: (?P<select_reads>.+)\n"
    r"|write\n"
    r"-- reads: (?P<write_reads>.+)\n"
    r"-- writes: (?P<writes>.+)\n)"
    r"-- rerun: (?P<rerun>.+)\n"
    r"(?P<text>(?:-- .+\n)*)"
)


@dataclass(frozen=True)
class Head:
    """The head of a file of work, checks, write or reconcile, which describes its statement.

    `kind` is select or write. `grain` names a row of a select. `reads` and `writes` are the tables and, with a colon,
    the variables that stand for relations. `rerun` describes the effect of another run. `text` is the rest.

    A check has a `severity`, error or warn, and a `title` that names the rows that it finds. It is `whole` if it runs
    only in checks of the whole warehouse.
    """

    kind: str
    grain: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    rerun: str
    text: str
    severity: str
    whole: bool
    title: str


def statement(path: str, **variables: Any) -> sql.Composed:
    """The statement in `warehouse/<path>.sql` with its variables filled in.

    Raises KeyError for a variable that was not given.
    """
    text, *rest = VARIABLE.split(COMMENT.sub("", read(path)))
    parts: list[sql.Composable] = [sql.SQL(text)]
    for name, following in zip(rest[::2], rest[1::2], strict=True):
        value = variables[name]
        parts += [value if isinstance(value, sql.Composable) else sql.Literal(value), sql.SQL(following)]
    return sql.Composed(parts)


def files(folder: str) -> list[str]:
    """The paths, for `statement`, of all SQL files in a folder and below, in the order of their names."""
    found: list[str] = []
    for entry in sorted(resources.files("warehouse").joinpath(folder).iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            found += files(f"{folder}/{entry.name}")
        elif entry.name.endswith(".sql"):
            found.append(f"{folder}/{entry.name.removesuffix('.sql')}")
    return found


def head(path: str) -> Head:
    """The head of `warehouse/<path>.sql`. Raises ValueError if it does not have the fixed form."""
    return parse(path, read(path))


def parse(path: str, text: str) -> Head:
    """The head of the text of `warehouse/<path>.sql`. Raises ValueError if it does not have the fixed form."""
    found = HEAD.match(GOES_ON.sub(" ", text))
    if found is None:
        raise ValueError(
            f"cannot read the head of warehouse/{path}.sql, because it has not the fixed form; "
            "give it the lines kind, grain (of a select), reads, writes (of a write) and rerun, in this order"
        )
    field = {name: value or "" for name, value in found.groupdict().items()}
    return Head(
        kind="write" if field["writes"] else "select",
        grain=field["grain"],
        reads=_names(field["select_reads"] or field["write_reads"]),
        writes=_names(field["writes"]),
        rerun=field["rerun"],
        text=" ".join(line.removeprefix("-- ") for line in field["text"].splitlines()),
        severity=field["severity"],
        whole=bool(field["whole"]),
        title=field["title"],
    )


def sha256(path: str) -> str:
    """The hash of `warehouse/<path>.sql`."""
    return hashlib.sha256(read(path).encode()).hexdigest()


def digest(*folders: str, **variables: Any) -> str:
    """A short hash of all files of some folders and of the variables they are filled in with."""
    text = repr(([(path, sha256(path)) for folder in folders for path in files(folder)], variables))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


@cache
def read(path: str) -> str:
    """The text of `warehouse/<path>.sql`, without a semicolon, so that a select can be part of a statement."""
    return resources.files("warehouse").joinpath(f"{path}.sql").read_text("utf-8").rstrip().removesuffix(";")


def _names(listed: str) -> tuple[str, ...]:
    return () if listed in ("", "nothing") else tuple(listed.split(", "))
