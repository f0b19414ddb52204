"""The tables of the star as warehouse/ddl and the feeds declare them, in Spark's words."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

from sqlglot import exp, parse

from pipeline.catalog import VENDOR_FEEDS
from pipeline.kernel import sql_files
from pipeline.lakehouse.spark_sql import type_of
from pipeline.vendors import stage_table

FILES = ("ddl/10_etl", "ddl/20_layers", "ddl/30_dwh", "ddl/40_mart")
SUMS = ("line_amount", "order_amount", "sales")
WIDEST = "decimal(38, 9)"


@dataclass
class Declared:
    """A table: the types of its columns, the column whose values are drawn, and its unknown member's values."""

    columns: dict[str, str]
    drawn: str = ""
    defaults: dict[str, str] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)


@cache
def tables() -> dict[str, Declared]:
    """All declared tables by their names."""
    found: dict[str, Declared] = {}
    for statement in _statements():
        if isinstance(statement, exp.Create) and isinstance(statement.this, exp.Schema):
            found[_name(statement.this.this)] = _table(statement.this)
        elif isinstance(statement, exp.Insert) and isinstance(statement.this, exp.Schema):
            name = _name(statement.this.this)
            if name.startswith("dwh.dim_"):
                found[name].unknown = found[name].defaults | _unknown(statement)
    return found


def _statements() -> Iterator[exp.Expr]:
    for path in FILES:
        # Functions and what tells of triggers are no tables, and in words of PostgreSQL's own.
        yield from (each for each in parse(_tables_of(sql_files.read(path)), read="postgres") if each)
    for feed in VENDOR_FEEDS.values():
        if not feed.made_key:
            yield from (each for each in parse(stage_table.ddl(feed), read="postgres") if each)


def _tables_of(text: str) -> str:
    """The statements that create tables or insert rows."""
    statements = sql_files.COMMENT.sub("", text).split(";\n")
    return ";\n".join(each for each in statements if each.lstrip().startswith(("create table", "insert into dwh.")))


def _table(schema: exp.Schema) -> Declared:
    table = Declared({})
    for column in schema.expressions:
        if not isinstance(column, exp.ColumnDef):
            continue
        name, kind = column.name, _kind(column)
        table.columns[name] = WIDEST if name in SUMS and kind.startswith("decimal") else kind
        for constraint in column.constraints:
            if isinstance(constraint.kind, exp.GeneratedAsIdentityColumnConstraint):
                table.drawn = name
            elif isinstance(constraint.kind, exp.DefaultColumnConstraint):
                table.defaults[name] = constraint.kind.this.sql("spark")
    return table


# As sqlglot calls them, and PostgreSQL.
KINDS = {
    "timestamptz": "timestamp with time zone",
    "timestamp": "timestamp without time zone",
    "int": "integer",
    "decimal": "numeric",
}


def _kind(column: exp.ColumnDef) -> str:
    kind = column.args["kind"].sql("postgres").lower()
    return type_of(KINDS.get(kind, kind))


def _unknown(statement: exp.Insert) -> dict[str, str]:
    names = [column.name for column in statement.this.expressions]
    given = statement.expression
    values = given.expressions[0].expressions if isinstance(given, exp.Values) else given.expressions
    return {name: value.unalias().sql("spark") for name, value in zip(names, values, strict=True)}


def _name(table: exp.Expr) -> str:
    assert isinstance(table, exp.Table)
    return f"{table.db}.{table.name}"
