"""Columns that a file of DDL declares and an existing table lacks."""

import re
from collections.abc import Iterator

from pipeline.kernel import postgres
from pipeline.kernel.postgres import Cursor, qualified, sql

TABLE = re.compile(r"^create table if not exists (\w+\.\w+) \(\n(.*?)\n\);", re.MULTILINE | re.DOTALL)
COLUMN = re.compile(r"^    (?!constraint |primary |unique |check |foreign )(\w+) (.+?),?(?: +--.*)?$", re.MULTILINE)
EXISTING = "select attname from pg_attribute where attrelid = to_regclass(%s) and attnum > 0 and not attisdropped"


def declared(ddl: str) -> dict[str, dict[str, str]]:
    r"""The tables that DDL creates, each with its columns and their definitions.

    >>> declared("create table if not exists ops.states (\n    state_code text, -- two letters\n    name text\n);")
    {'ops.states': {'state_code': 'text', 'name': 'text'}}
    """
    return {name: dict(COLUMN.findall(body)) for name, body in TABLE.findall(ddl)}


def add(cursor: Cursor, ddl: str) -> Iterator[str]:
    """Adds the columns of the DDL that existing tables lack; yields these tables. A rerun yields none."""
    for table, columns in declared(ddl).items():
        existing = {name for (name,) in postgres.rows(cursor, EXISTING, (table,))}
        missing = [name for name in columns if existing and name not in existing]
        for name in missing:
            addition = sql.SQL("alter table {} add column {} {}")
            cursor.execute(addition.format(qualified(table), sql.Identifier(name), sql.SQL(columns[name])))
        if missing:
            yield table
