"""The columns of source and stage tables: read from the catalogue, turned into DDL.

And what their values must be, since a source's types may hold more than the warehouse can.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from pipeline.catalog import SourceTable
from pipeline.kernel import postgres
from pipeline.kernel.errors import SchemaDrift
from pipeline.kernel.postgres import Cursor, identifiers, sql
from pipeline.lake.forms import type_or_text

# Stage's own columns: the load that wrote a row last, and since when the source does not have it any more.
BATCH, DELETED = "etl_batch", "etl_deleted_ts"
# The instants that the warehouse holds: from the start of dim_product's first versions to the end of the last.
EARLIEST, END = "1900-01-01", "9999-12-31"


@dataclass(frozen=True)
class Column:
    """A column's name, its type as PostgreSQL writes it, and whether it may be NULL."""

    name: str
    type: str
    nullable: bool = True


def read_columns(cursor: Cursor, table: SourceTable) -> list[Column]:
    """The columns of a source table or view, in their order there.

    Raises SchemaDrift when the table or a column that the warehouse needs is not there or of a type that it cannot
    use, and when a column has the name of stage's own.
    """
    found = existing_columns(cursor, table.name)
    columns = [replace(column, type=type_or_text(column.type)) for column in found]
    names = {column.name for column in columns}
    if missing := [name for name in (*table.key, table.watermark, *table.columns) if name not in names]:
        raise SchemaDrift(
            f"extract {table.name}",
            f"its column {missing[0]} is not there" if columns else "the source has no such table",
            "bring it back, or give the source a view of that name with the old columns",
        )
    if table.key and (taken := sorted({BATCH, DELETED} & names)):
        raise SchemaDrift(
            f"extract {table.name}",
            f"its column {taken[0]} is called like a column of stage's own",
            "rename it, or give the source a view of that name without it",
        )
    for column in columns:
        if because := unusable(table, column):
            raise SchemaDrift(f"extract {table.name}", because, "give the source a view of that name that casts it")
    return columns


def are_of(table: SourceTable, columns: Sequence[Column]) -> bool:
    """Whether an extract of a table may have these columns: its key and watermark, none twice, none of stage's own."""
    names = [column.name for column in columns]
    needed = {*table.key, table.watermark}
    return needed <= set(names) and len(names) == len(set(names)) and not {BATCH, DELETED} & set(names)


def existing_columns(cursor: Cursor, table: str) -> list[Column]:
    """The columns of a table or view, in order; none where there is no such table."""
    found = postgres.rows(cursor, COLUMNS, {"table": table})
    return [Column(*row) for row in found]


# A type that only the source knows is what it is made of (a domain) or text (an enum, an extension's).
COLUMNS = """
with recursive made_of as (
    select attnum, attname, attnotnull, atttypid as type, atttypmod as modifier
    from pg_attribute where attrelid = to_regclass(%(table)s) and attnum > 0 and not attisdropped
    union all
    select attnum, attname, attnotnull, typbasetype, typtypmod
    from made_of inner join pg_type on pg_type.oid = type where typtype = 'd'
)

select
    attname,
    case when typnamespace = 'pg_catalog'::regnamespace then format_type(type, modifier) else 'text' end,
    not attnotnull
from made_of inner join pg_type on pg_type.oid = type where typtype <> 'd' order by attnum
"""


def create_table(schema: str, table: SourceTable, columns: Sequence[Column]) -> sql.Composed:
    """The DDL of a table of delta or stage: the source's columns and types; of its constraints only stage's key.

    That its columns are filled is checked for next to nothing as rows come in, and else by a look at each row when the
    key is built.
    """
    filled = table.key if schema == "stage" else ()
    return sql.SQL("create {} table {} (\n    {}\n)").format(
        # What delta holds is on the lake too: after a crash of the server it is simply brought again.
        sql.SQL("unlogged" if schema == "delta" else ""),
        sql.Identifier(schema, table.short),
        sql.SQL(",\n    ").join(
            declaration(column) + sql.SQL(" not null" if column.name in filled else "") for column in columns
        ),
    )


def primary_key(schema: str, table: SourceTable) -> sql.Composed:
    """The DDL that adds the source's key."""
    return sql.SQL("alter table {} add primary key ({})").format(
        sql.Identifier(schema, table.short), identifiers(table.key)
    )


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
    (base, limits), (wide_base, wide_limits) = parts(narrow), parts(wide)
    if wide == type_or_text(narrow):  # the same, or what an earlier version kept as it was and is read as text now
        return True
    if base == wide_base:
        return not wide_limits or (bool(limits) and _within(base, limits, wide_limits))
    return not wide_limits and any(
        base in ladder and wide_base in ladder and ladder.index(base) < ladder.index(wide_base) for ladder in LADDERS
    )


# A condition in SQL that holds for a row that cannot be kept, and the words for it.
Fault = tuple[sql.Composable, str]
EXACT = ("smallint", "integer", "bigint", "numeric")
INEXACT = ("real", "double precision")
# What can be read as a text, and is the same value then.
TEXTS = ("text", "character varying", "character", "name", '"char"', "uuid", *EXACT, *INEXACT)
TIMES = ("date", "timestamp without time zone", "timestamp with time zone")


@dataclass(frozen=True)
class Kind:
    """What a column of the contract holds: the words for it, the types that can be read as it, and its faults.

    `faults` says of a column what its type allows and the warehouse cannot hold.
    """

    words: str
    types: tuple[str, ...]
    faults: Callable[[Column], list[Fault]]


def are_usable(table: SourceTable, columns: Sequence[Column]) -> bool:
    """Whether stage can take rows with these columns: all that it needs, and none of a type that it cannot use."""
    has_all = set(table.required) <= {column.name for column in columns}
    return has_all and not any(unusable(table, column) for column in columns)


def unusable(table: SourceTable, column: Column) -> str:
    """Why the warehouse cannot use a column of this type; empty where it can.

    Keys and prices are compared, so they must be exact. A table without a key is only summed.
    """
    kind, base = kind_of(table, column.name), parts(column.type)[0]
    if not kind or base in kind.types or (base in INEXACT and kind.types == EXACT and not table.key):
        return ""
    return f"its column {column.name} is {column.type}, not {kind.words}"


def faults(table: SourceTable, columns: Sequence[Column]) -> list[Fault]:
    """Why a row cannot be kept, as far as nullability and types of its columns allow: the conditions of each.

    A condition may also be NULL, of a row without the value that it is about.
    """
    found: list[Fault] = [
        (sql.SQL("{} is null").format(sql.Identifier(column.name)), f"{column.name} is missing")
        for column in columns
        if column.nullable and column.name in (*table.required, table.watermark)
    ]
    for column in columns:
        if kind := kind_of(table, column.name):
            found += kind.faults(column)
        short = f"character varying({LONGEST_LABEL})"
        if table.label == column.name and not fits(column.type, short):
            condition = sql.SQL("length({}) > {}").format(sql.Identifier(column.name), sql.Literal(LONGEST_LABEL))
            found.append((condition, f"{column.name} is longer than {LONGEST_LABEL} characters"))
        if column.name in table.key[:1] and parts(column.type)[0] in EXACT:
            condition = sql.SQL("{} = -1").format(sql.Identifier(column.name))
            found.append((condition, f"{column.name} -1 is the unknown member's"))
    return found


def kind_of(table: SourceTable, name: str) -> Kind | None:
    """What a column of the contract holds; None of one that nobody reads."""
    if name not in table.columns or name == "created_ts":
        return None
    return next(kind for pattern, kind in KINDS if re.fullmatch(pattern, name))


def _whole(fitting: tuple[str, ...], bits: int) -> Callable[[Column], list[Fault]]:
    low, high = -(1 << bits - 1), (1 << bits - 1) - 1

    def of(column: Column) -> list[Fault]:
        base, name = parts(column.type)[0], sql.Identifier(column.name)
        if base in fitting:
            return []
        limits = sql.SQL("{} not between {} and {}").format(name, sql.Literal(low), sql.Literal(high))
        found: list[Fault] = [(limits, f"{column.name} is not between {low} and {high}")]  # and NaN is above all
        if base != "bigint":
            found.append((sql.SQL("{} <> trunc({})").format(name, name), f"{column.name} is not a whole number"))
        return found

    return of


def _amount(column: Column) -> list[Fault]:
    (base, limits), name = parts(column.type), sql.Identifier(column.name)
    if base not in ("numeric", *INEXACT):
        return []
    found: list[Fault] = [(sql.SQL("{} = 'NaN'").format(name), f"{column.name} is NaN")]  # limits do not keep it out
    if not limits:
        # So that no product and no sum overflows.
        beyond = sql.SQL("{} not between -1e100 and 1e100").format(name)
        found.append((beyond, f"{column.name} is infinite or as good as that"))
    return found


def _time(first: str, last: str, end: str) -> Callable[[Column], list[Fault]]:
    def of(column: Column) -> list[Fault]:
        name = sql.Identifier(column.name)
        condition = sql.SQL("({} < {} or {} >= {})").format(name, sql.Literal(first), name, sql.Literal(end))
        return [(condition, f"{column.name} is not within {first} to {last}")]

    return of


# By name, as the contract calls alike what is alike.
KINDS = (
    (r".*_id", Kind("a whole number", EXACT, _whole(("smallint", "integer", "bigint"), 64))),
    (r"line_number|quantity", Kind("a whole number", EXACT, _whole(("smallint", "integer"), 32))),
    (r"unit_price", Kind("an exact number", EXACT, _amount)),
    (r".*_ts|invoice_date", Kind("an instant", TIMES, _time(EARLIEST, "9999-12-30", END))),
    # Years of four digits, as everybody reads them.
    (r".*_date|.*_on", Kind("a date", TIMES, _time("0001-01-01", "9999-12-31", "10000-01-01"))),
    (r"is_.*", Kind("true or false", ("boolean",), lambda _: [])),
    (r".*", Kind("a text", TEXTS, lambda _: [])),
)
LONGEST_LABEL = 200  # characters


def _within(base: str, limits: list[int], wide: list[int]) -> bool:
    if base == "numeric":  # precision and scale: digits before the point, digits after it
        return limits[1] <= wide[1] and limits[0] - limits[1] <= wide[0] - wide[1]
    return limits[0] <= wide[0]


def parts(type_: str) -> tuple[str, list[int]]:
    """A type without its limits, and these.

    >>> parts("numeric(10,2)"), parts("timestamp(3) without time zone"), parts("text")
    (('numeric', [10, 2]), ('timestamp without time zone', [3]), ('text', []))
    """
    limits = re.search(r"\(([-\d,]+)\)", type_)
    return re.sub(r"\([-\d,]+\)", "", type_), [int(limit) for limit in limits[1].split(",")] if limits else []


def declaration(column: Column) -> sql.Composed:
    """A column's name and type, as DDL has them."""
    return sql.SQL("{} {}").format(sql.Identifier(column.name), sql.SQL(column.type))
