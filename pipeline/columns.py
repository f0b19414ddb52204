"""The columns of source and stage tables: read from the catalogue, turned into DDL, widened when the source is."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline import postgres
from pipeline.catalog import SourceTable
from pipeline.errors import SchemaDrift
from pipeline.postgres import Cursor, identifiers, qualified, sql

# Stage's own columns: the load that wrote a row last, and since when the source does not have it any more.
BATCH, DELETED = "etl_batch", "etl_deleted_ts"


@dataclass(frozen=True)
class Column:
    """A column's name, its type as PostgreSQL writes it, and whether it may be NULL."""

    name: str
    type: str
    nullable: bool = True


def read_columns(cursor: Cursor, table: SourceTable) -> list[Column]:
    """The columns of a source table or view, in their order there.

    Raises SchemaDrift when the table or a column that the warehouse needs is not there.
    """
    columns = existing_columns(cursor, table.name)
    names = {column.name for column in columns}
    if missing := [name for name in (*table.key, table.watermark, *table.columns) if name not in names]:
        raise SchemaDrift(
            f"extract {table.name}",
            f"its column {missing[0]} is not there" if columns else "the source has no such table",
            "bring it back, or give the source a view of that name with the old columns",
        )
    return columns


def existing_columns(cursor: Cursor, table: str) -> list[Column]:
    """The columns of a table or view, in order; none where there is no such table."""
    found = postgres.rows(cursor, COLUMNS, {"table": table})
    return [Column(*row) for row in found]


# A type that only the source knows is read as what it is made of (a domain) or as text (an enum, an extension's).
COLUMNS = """
select
    attname,
    case
        when pg_type.typtype = 'd' then format_type(typbasetype, typtypmod)
        when typnamespace = 'pg_catalog'::regnamespace then format_type(atttypid, atttypmod)
        else 'text'
    end,
    not attnotnull
from pg_attribute inner join pg_type on pg_type.oid = atttypid
where attrelid = to_regclass(%(table)s) and attnum > 0 and not attisdropped order by attnum
"""


def create_table(schema: str, table: SourceTable, columns: Sequence[Column]) -> sql.Composed:
    """The DDL of a table of delta or stage: the source's columns and types, without its constraints."""
    return sql.SQL("create {} table {} (\n    {}\n)").format(
        # What delta holds is on the lake too: after a crash of the server it is simply brought again.
        sql.SQL("unlogged" if schema == "delta" else ""),
        sql.Identifier(schema, table.short),
        sql.SQL(",\n    ").join(_declaration(column) for column in columns),
    )


def primary_key(schema: str, table: SourceTable) -> sql.Composed:
    """The DDL that adds the source's key."""
    return sql.SQL("alter table {} add primary key ({})").format(
        sql.Identifier(schema, table.short), identifiers(table.key)
    )


def follow(name: str, stage: Sequence[Column], source: Sequence[Column], *, add: bool) -> list[sql.Composed]:
    """The statements that let the stage table `name` hold what the source has now: wider types, new columns.

    A column that the source no longer has stays, NULL in rows that come from now on. Raises SchemaDrift for a
    type that is neither the same, nor narrower, nor wider.
    """
    known = {column.name: column.type for column in stage}
    statements = []
    for column in source:
        if column.name not in known:
            if add:
                statements.append(_alter(name, sql.SQL("add column {}").format(_declaration(column))))
        elif not fits(column.type, known[column.name]):
            if not fits(known[column.name], column.type):
                raise SchemaDrift(
                    f"load {name}",
                    f"column {column.name} changed from {known[column.name]} to {column.type}",
                    "convert the column of stage by hand, or give the source a view with the old type",
                )
            wider = sql.SQL("alter column {} type {}").format(sql.Identifier(column.name), sql.SQL(column.type))
            statements.append(_alter(name, wider))
    return statements


# From narrow to wide: each holds every value of those before it, written the same way.
LADDERS = (
    ("smallint", "integer", "bigint", "numeric"),
    ("real", "double precision"),
    ("date", "timestamp without time zone"),
    ("character varying", "text"),
)


def fits(narrow: str, wide: str) -> bool:
    """Whether every value of one type can be kept in the other, unchanged.

    >>> fits("integer", "bigint"), fits("character varying(80)", "text"), fits("numeric(10,3)", "numeric(12,3)")
    (True, True, True)
    >>> fits("bigint", "integer"), fits("numeric(10,3)", "numeric(11,2)"), fits("text", "bigint")
    (False, False, False)
    """
    (base, limits), (wide_base, wide_limits) = _parts(narrow), _parts(wide)
    if base == wide_base:
        return not wide_limits or (bool(limits) and _within(base, limits, wide_limits))
    return not wide_limits and any(
        base in ladder and wide_base in ladder and ladder.index(base) < ladder.index(wide_base) for ladder in LADDERS
    )


def _within(base: str, limits: list[int], wide: list[int]) -> bool:
    if base == "numeric":  # precision and scale: digits before the point, digits after it
        return limits[1] <= wide[1] and limits[0] - limits[1] <= wide[0] - wide[1]
    return limits[0] <= wide[0]


def _parts(type_: str) -> tuple[str, list[int]]:
    limits = re.search(r"\(([\d,]+)\)", type_)
    return re.sub(r"\([\d,]+\)", "", type_), [int(limit) for limit in limits[1].split(",")] if limits else []


def _declaration(column: Column) -> sql.Composed:
    return sql.SQL("{} {}").format(sql.Identifier(column.name), sql.SQL(column.type))


def _alter(name: str, change: sql.Composable) -> sql.Composed:
    return sql.SQL("alter table {} {}").format(qualified(name), change)
