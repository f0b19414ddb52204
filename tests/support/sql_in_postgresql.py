"""Cases of SQL files in PostgreSQL: their tables, and their statements with the variables filled in."""

from collections.abc import Mapping
from typing import Any

from pipeline.kernel import sql_files
from pipeline.kernel.postgres import Cursor, identifiers, sql
from support import sql_cases
from support.sql_cases import Case


def prepare(cursor: Cursor, case: Case) -> None:
    """Makes the tables of a case that are not there, and fills those that have rows."""
    used = {*sql_files.head(case.path).reads, *case.given}
    common = {name: columns for name, columns in sql_cases.common_tables().items() if name in used}
    for name, columns in {**common, **case.tables}.items():
        make(cursor, name, columns)
    for name, rows in case.given.items():
        for row in rows:
            cursor.execute(
                sql.SQL("insert into {} ({}) values ({})").format(
                    relation(name), identifiers(row), sql.SQL(", ").join(map(sql.Literal, row.values()))
                )
            )


def make(cursor: Cursor, name: str, declared: Mapping[str, str]) -> None:
    """Makes a table of columns with these types, a temporary one where the name has no schema."""
    types = {column: kind for column, kind in declared.items() if column != "like"}
    chosen = [sql.SQL("null::{} as {}").format(sql.SQL(kind), sql.Identifier(column)) for column, kind in types.items()]
    like = declared.get("like")
    cursor.execute(
        sql.SQL("create {} table {} as select {} {} {} with no data").format(
            sql.SQL("" if "." in name else "temporary"),
            relation(name),
            sql.SQL("source.*," if like else ""),
            sql.SQL(", ").join(chosen),
            sql.SQL("from {} as source").format(relation(like)) if like else sql.SQL(""),
        )
    )


def filled(case: Case) -> sql.Composed:
    """The statement of a case with its variables filled in."""
    return sql_files.statement(case.path, **{name: variable(value) for name, value in case.variables.items()})


def variable(value: Any) -> Any:
    """What a variable of a case is for PostgreSQL."""
    if not isinstance(value, dict):
        return value
    [(kind, content)] = value.items()
    made: dict[str, Any] = {
        "relation": relation,
        "columns": identifiers,
        "list": lambda values: sql.SQL(", ").join(map(sql.Literal, values)),
        "sql": sql.SQL,
    }
    return made[kind](content)


def relation(name: str) -> sql.Identifier:
    """A table by its name, with a schema or without."""
    return sql.Identifier(*name.split("."))


def fetched(cursor: Cursor) -> list[dict[str, Any]]:
    """The rows of the last statement by the names of their columns."""
    names = [column.name for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
