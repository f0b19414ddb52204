"""Columns that warehouse/ddl declares and an existing table lacks: added, and filled by the next load."""

import re

from pipeline.kernel import postgres, sql_files
from pipeline.kernel.postgres import Cursor, qualified, sql
from pipeline.star import watermarks

TABLE = re.compile(r"^create table if not exists (\w+\.\w+) \(\n(.*?)\n\);", re.MULTILINE | re.DOTALL)
COLUMN = re.compile(r"^    (?!constraint |primary |unique |check |foreign )(\w+) (.+?),?$", re.MULTILINE)
EXISTING = "select attname from pg_attribute where attrelid = to_regclass(%s) and attnum > 0 and not attisdropped"


def declared(path: str) -> dict[str, dict[str, str]]:
    """The tables that a file of warehouse/ddl creates, each with its columns and their definitions."""
    return {name: dict(COLUMN.findall(body)) for name, body in TABLE.findall(sql_files.text(path))}


def add(cursor: Cursor, path: str) -> None:
    """Adds to existing tables the columns that a file declares and they lack. A rerun does nothing.

    A table of dwh that gets one reads all of stage again with its next load, which fills the column for all rows.
    """
    for table, columns in declared(path).items():
        existing = {name for (name,) in postgres.rows(cursor, EXISTING, (table,))}
        missing = columns.keys() - existing if existing else ()
        for name in (name for name in columns if name in missing):
            addition = sql.SQL("alter table {} add column {} {}")
            cursor.execute(addition.format(qualified(table), sql.Identifier(name), sql.SQL(columns[name])))
        schema, _, name = table.partition(".")
        if missing and schema == "dwh":
            watermarks.forget(cursor, name)
