"""Rows as people and machines read them, without who somebody is."""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from pipeline.catalog import PERSONAL
from pipeline.kernel import postgres
from pipeline.kernel.postgres import Cursor, sql

Record = dict[str, Any]
MASK, UNKNOWN = "masked", "Unknown"
ENDLESS = {1900: "the beginning", 9999: "the end"}  # of the first and the current version of a product


def records(
    cursor: Cursor, query: str | sql.Composable, arguments: Sequence[Any] | Mapping[str, Any] = ()
) -> list[Record]:
    """All rows of a query, by the names of its columns."""
    found = postgres.rows(cursor, query, arguments)
    names = [column.name for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found]


def masked(row: Record, source_table: str) -> Record:
    """A row of a source table, or of what is made of it, with what tells who somebody is masked.

    >>> masked({"customer_id": 1, "first_name": "Ada", "email": None}, "ops.customers")
    {'customer_id': 1, 'first_name': 'masked', 'email': None}
    """
    personal = PERSONAL.get(source_table, ())
    return {name: MASK if name in personal and value not in (None, UNKNOWN) else value for name, value in row.items()}


def said(value: Any) -> str:
    """A value as people read it: instants in UTC, numbers without zeros at their end.

    >>> said(Decimal("12.500")), said(None), said(True)
    ('12.5', '-', 'yes')
    """
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case dt.datetime():
            return ENDLESS.get(value.year, f"{value.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S}")
        case Decimal():
            short = f"{value:f}".rstrip("0").rstrip(".") if "." in f"{value:f}" else f"{value:f}"
            return short or "0"
        case _:
            return str(value)


def as_text(found: Any) -> str:
    """JSON of what was found: numbers as numbers, all else as its text."""
    return json.dumps(found, indent=1, default=lambda value: float(value) if isinstance(value, Decimal) else str(value))
