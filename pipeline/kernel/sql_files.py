r"""Finds the files under warehouse/ and fills in their variables, as psql does with `\set`.

A file names a variable `:name`. A plain value becomes a quoted literal; an identifier or a relation is given as
psycopg2's own composable. So the same file runs in psql after `\set name value`.
"""

import hashlib
import re
from functools import cache
from importlib import resources
from typing import Any

from pipeline.kernel.postgres import sql

# Left out: a variable in a comment may stand for a select of several lines, and a select may end with a comment.
COMMENT = re.compile(r"^ *--.*\n| *-- noqa.*$", re.MULTILINE)
VARIABLE = re.compile(r"(?<![:\w]):([a-z_]+)")


def statement(path: str, **variables: Any) -> sql.Composed:
    """The statement in `warehouse/<path>.sql` with its variables filled in.

    Raises KeyError for a variable that was not given.
    """
    first, *rest = VARIABLE.split(COMMENT.sub("", text(path)))
    parts: list[sql.Composable] = [sql.SQL(first)]
    for name, following in zip(rest[::2], rest[1::2], strict=True):
        value = variables[name]
        parts += [value if isinstance(value, sql.Composable) else sql.Literal(value), sql.SQL(following)]
    return sql.Composed(parts)


def files(folder: str) -> list[str]:
    """The paths, for `statement`, of all SQL files of a folder, in the order of their names."""
    names = sorted(entry.name for entry in resources.files("warehouse").joinpath(folder).iterdir())
    return [f"{folder}/{name.removesuffix('.sql')}" for name in names if name.endswith(".sql")]


def head(path: str) -> str:
    """The first line of `warehouse/<path>.sql`, a comment, without its dashes."""
    return text(path).split("\n", 1)[0].removeprefix("--").strip()


def sha256(path: str) -> str:
    """The hash of `warehouse/<path>.sql`."""
    return hashlib.sha256(text(path).encode()).hexdigest()


def digest(*folders: str, **variables: Any) -> str:
    """A short hash of all files of some folders and of the variables they are filled in with."""
    text = repr(([(path, sha256(path)) for folder in folders for path in files(folder)], variables))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


@cache
def text(path: str) -> str:
    """The text of `warehouse/<path>.sql` without its last semicolon, so that a select can be part of a statement."""
    return resources.files("warehouse").joinpath(f"{path}.sql").read_text("utf-8").rstrip().removesuffix(";")
