"""Rows that no case has thought of: of small domains, so that rows meet, with NULLs and values at the edges."""

import datetime as dt
from decimal import Decimal
from random import Random
from typing import Any

from psycopg2 import IntegrityError

from pipeline.kernel import postgres
from pipeline.kernel.postgres import Cursor, identifiers, qualified, sql

ROWS = 12
INSTANTS = [
    dt.datetime.fromisoformat(text)
    for text in (
        "1900-01-01 00:00:00+00:00",
        "2025-12-31 23:59:59.999999+00:00",
        "2026-01-01 00:00:00+00:00",
        "2026-01-05 08:30:00.5+00:00",
        "2026-03-31 23:30:00+00:00",
        "9999-12-31 00:00:00+00:00",
    )
]
COLUMNS = """
select attname, format_type(atttypid, null), attnotnull, attidentity <> '' or attgenerated <> '' from pg_attribute
where attrelid = %s::regclass and attnum > 0 and not attisdropped order by attnum
"""


def fill(cursor: Cursor, table: str, chance: Random) -> None:
    """Adds rows to a table; those that its keys or triggers do not allow are left out."""
    cursor.execute("set constraints all immediate")
    for _ in range(ROWS):
        row = {
            name: None if not is_filled and chance.random() < 0.15 else value(name, kind, chance)
            for name, kind, is_filled, is_made in postgres.rows(cursor, COLUMNS, (table,))
            if not is_made
        }
        values = sql.SQL(", ").join(map(sql.Literal, row.values()))
        cursor.execute("savepoint of_row")
        try:
            cursor.execute(
                sql.SQL("insert into {} ({}) values ({})").format(qualified(table), identifiers(row), values)
            )
        except IntegrityError:
            cursor.execute("rollback to savepoint of_row")


def value(name: str, kind: str, chance: Random) -> Any:
    """A value of a column with this name and type."""
    if name == "business_key":  # selects take it apart
        return chance.choice(["1/1", "1/2", "2/1", "3/3"])
    made: dict[str, Any] = {
        "bigint": lambda: chance.choice([-1, 1, 2, 3, 4, 20260101, 20260105]),
        "boolean": lambda: chance.random() < 0.5,
        "character varying": lambda: chance.choice(["a", "B", "b c", "1/2", "USA", "Lost"]),
        "date": lambda: chance.choice(INSTANTS[1:5]).date(),
        "double precision": lambda: chance.choice([0.0, 0.25, 0.5, 0.123456, 1.0]),
        "integer": lambda: chance.choice([-1, 1, 2, 3]),
        "interval": lambda: dt.timedelta(hours=chance.randrange(100), microseconds=chance.randrange(3)),
        "numeric": lambda: Decimal(chance.choice(["0", "1.5", "2.25", "10.001", "-3"])),
        "smallint": lambda: chance.choice([-1, 1]),
        "text": lambda: chance.choice(["a", "B", "b c", "1/2", "USA", "Lost", "2"]),
        "timestamp with time zone": lambda: chance.choice(INSTANTS),
        "timestamp without time zone": lambda: chance.choice(INSTANTS).replace(tzinfo=None),
    }
    return made[kind]()
