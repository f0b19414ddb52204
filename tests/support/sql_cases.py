"""Cases of the SQL files as data: rows in, rows out. This module knows no engine; its callers bring one.

The cases of warehouse/<path>.sql are in tests/sql/cases/<path>.yaml:

tables      tables that the pipeline makes during a load, each with the types of its columns. Tables that several files
            read are in tests/sql/tables.yaml. `like` takes the columns of another table.
given       table: its rows. A column that a row leaves out is NULL or has the table's default.
variables   a literal value, or {relation: name}, {columns: [name, ...]}, {list: [value, ...]}; {sql: text} if only
            PostgreSQL runs the file.
cases       each with a `name`, its own `tables`, `given` and `variables`, which add to those of the file, and with
            rows     the result of the statement, in any order
            count    the number of rows in the result, if `rows` are only some of them
            after    table: its rows after the statement
            again    the effect of a second run: `same` gives the same rows and tables, `fails`, or table: rows

No other row exists, not even an unknown member that is not given. Only the columns that some expected row names are
compared; a column that a row leaves out is NULL, and `set` is any value, for values such as the time of day. Instants
are text in UTC, as 2026-01-31 08:00:00+00, and spans of time are hours, as 26:00:00.
"""

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

HOME = Path(__file__).parents[1] / "sql"
FOLDER = HOME / "cases"
SET = "set"

Row = Mapping[str, Any]
Rows = Sequence[Row]


class Loader(yaml.SafeLoader):
    """YAML in which dates are text, like everything that is not null, true, false or a decimal number."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012


for tag, pattern, first in (
    ("null", "null", "n"),
    ("bool", "true|false", "tf"),
    ("int", r"-?(?:0|[1-9]\d*)", "-0123456789"),
    ("float", r"-?\d+\.\d+", "-0123456789"),
):
    Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(rf"^(?:{pattern})$"), list(first))
Loader.add_constructor("tag:yaml.org,2002:float", lambda loader, node: Decimal(loader.construct_scalar(node)))


@dataclass(frozen=True)
class Case:
    """One case of the file `path`; `tables` have to be made, `rows` is None if none are compared."""

    path: str
    name: str
    tables: Mapping[str, Mapping[str, str]]
    given: Mapping[str, Rows]
    variables: Mapping[str, Any]
    rows: Rows | None
    count: int | None
    after: Mapping[str, Rows]
    again: Any

    def __str__(self) -> str:
        return f"{self.path}: {self.name}"


def paths() -> list[str]:
    """The SQL files that have cases."""
    return sorted(str(file.relative_to(FOLDER).with_suffix("")) for file in FOLDER.rglob("*.yaml"))


@cache
def cases(path: str) -> tuple[Case, ...]:
    """The cases of a file, empty without any. Raises ValueError for a word that no case has."""
    file = FOLDER / f"{path}.yaml"
    if not file.exists():
        return ()
    text = _read(file)
    _check(path, text, {"tables", "given", "variables", "cases"})
    return tuple(_case(path, text, case) for case in text["cases"])


@cache
def common_tables() -> Mapping[str, Mapping[str, str]]:
    """The tables that several files read. They have to be made for a case that reads one."""
    found: Mapping[str, Mapping[str, str]] = _read(HOME / "tables.yaml")
    return found


def _case(path: str, text: Mapping[str, Any], case: Mapping[str, Any]) -> Case:
    _check(path, case, {"name", "tables", "given", "variables", "rows", "count", "after", "again"})
    given = dict(text.get("given", {}))
    for table, rows in case.get("given", {}).items():
        given[table] = [*given.get(table, []), *rows]
    return Case(
        path,
        case["name"],
        {**text.get("tables", {}), **case.get("tables", {})},
        given,
        {**text.get("variables", {}), **case.get("variables", {})},
        case.get("rows"),
        case.get("count"),
        case.get("after", {}),
        case.get("again"),
    )


def _check(path: str, found: Mapping[str, Any], known: set[str]) -> None:
    if unknown := set(found) - known:
        raise ValueError(f"cannot read the cases of {path}, because {unknown} means nothing; see {__file__}")


def _read(file: Path) -> Any:
    return yaml.load(file.read_text("utf-8"), Loader)  # a SafeLoader


def shown(found: Iterable[Row], expected: Rows) -> tuple[list[str], list[str]]:
    """Found and expected rows as texts that are the same for the same values of any type.

    Both are in the same order, and have the columns that some expected row names.
    """
    names = sorted({name for row in expected for name in row})
    told = {name for name in names if SET in [row.get(name) for row in expected]}

    def show(row: Row) -> str:
        values = {name: SET if name in told and row.get(name) is not None else row.get(name) for name in names}
        return ", ".join(f"{name}: {_plain(value)!r}" for name, value in values.items())

    return sorted(map(show, found)), sorted(map(show, expected))


def _plain(value: Any) -> Any:
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | float | Decimal):
        return float(value) if value % 1 else int(value)
    if isinstance(value, dt.datetime):
        return str(value.astimezone(dt.UTC) if value.tzinfo else value).removesuffix(":00" if value.tzinfo else "")
    if isinstance(value, dt.timedelta):
        seconds = int(value.total_seconds())
        sign = "-" if seconds < 0 else ""
        return f"{sign}{abs(seconds) // 3600:02}:{abs(seconds) // 60 % 60:02}:{abs(seconds) % 60:02}"
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return str(value)
