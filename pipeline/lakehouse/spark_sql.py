"""The warehouse's selects in Spark's words, by sqlglot: the same rows in give the same rows out."""

from collections.abc import Callable, Mapping

from sqlglot import ErrorLevel, exp, parse_one

# PostgreSQL's types as Spark has them. numeric without limits has what a quantity times
# it is exact with: Spark's decimals have 38 digits.
TYPES: Mapping[str, str] = {
    "bigint": "bigint",
    "boolean": "boolean",
    "date": "date",
    "double precision": "double",
    "integer": "int",
    "jsonb": "string",
    "numeric": "decimal(27, 9)",
    "pg_lsn": "bigint",  # a position is a number there
    "smallint": "smallint",
    "text": "string",
    "uuid": "string",
    "timestamp with time zone": "timestamp",
    "timestamp without time zone": "timestamp_ntz",
}
# FMMonth and FMDay, names without blanks behind them, as sqlglot reads them by mistake, and as it should.
NAMES = {"F%month": "%B", "FM%uay": "%A"}


def to_spark(select: str, relation: Callable[[str], str | None]) -> str:
    """A select for Spark. `relation` gives the name there of a table, or None for a name that the select defines.

    Raises sqlglot's errors for what it cannot read or write.
    """
    tree = parse_one(select, read="postgres", error_level=ErrorLevel.RAISE).transform(_rewritten)
    for table in list(tree.find_all(exp.Table)):
        name = ".".join(filter(None, (table.db, table.name)))
        if found := relation(name):
            table.set("alias", table.args.get("alias") or exp.TableAlias(this=exp.to_identifier(table.name)))
            schema, _, last = found.rpartition(".")
            table.set("this", exp.to_identifier(last))
            table.set("db", exp.to_identifier(schema) if schema else None)
    return tree.sql("spark", unsupported_level=ErrorLevel.RAISE)


def differing(select: str) -> list[str]:
    """What means another thing in Spark, or nothing, without an error on the way there."""
    tree = parse_one(select, read="postgres", error_level=ErrorLevel.RAISE)
    return [f"{node.sql('postgres')}: {why}" for node in tree.walk() if (why := _difference(node))]


def _difference(node: exp.Expr) -> str:
    if isinstance(node, exp.Div) and not any(_is_of(side, *FRACTIONS) for side in (node.this, node.expression)):
        return "a quotient of integers is an integer in PostgreSQL alone; cast a side"
    if _is_of(node, exp.DType.DECIMAL) and not node.args["to"].expressions:
        return "numeric without limits has no decimals in Spark; give it limits"
    if _is_of(node, exp.DType.TIMESTAMP) and not isinstance(node.parent, exp.AtTimeZone):
        return "timestamp has a zone in Spark; say which, or use timestamptz"
    if isinstance(node, exp.Cast | exp.Literal) and node.name.strip() in ("infinity", "-infinity"):
        return "Spark has no infinity"
    if isinstance(node, exp.Cast) and isinstance(node.this, exp.Literal) and not node.this.name:
        return "an empty text is NULL in Spark, and no error"
    if isinstance(node, exp.Extract) and node.name.upper() == "DOW":
        return "a week begins with another number; use isodow"
    if _is_epoch(node) and not isinstance(node.expression, exp.Sub):
        return "Spark has no such number; take it of a difference of two instants"
    if isinstance(node, exp.Round):
        return "halves of a float are rounded to the even number in PostgreSQL alone; cast it to numeric with limits"
    if isinstance(node, exp.Cast) and _is_of(node, *INTEGERS) and _is_of(node.this, *FRACTIONS):
        return "Spark cuts off what PostgreSQL rounds"
    return ""


FRACTIONS = (exp.DType.DECIMAL, exp.DType.DOUBLE, exp.DType.FLOAT)
INTEGERS = (exp.DType.INT, exp.DType.BIGINT, exp.DType.SMALLINT)


def _is_of(node: exp.Expr, *types: exp.DType) -> bool:
    """Whether it is a cast to one of these types."""
    return isinstance(node, exp.Cast) and node.args["to"].this in types


def type_of(name: str) -> str:
    """Spark's type of a column that has this one in PostgreSQL. Raises KeyError for one that no select reads."""
    kind, _, limits = name.partition("(")
    if kind == "numeric" and limits:
        return f"decimal({limits}"
    return "string" if kind.startswith("character") else TYPES[name]


def _rewritten(node: exp.Expr) -> exp.Expr:
    """What sqlglot leaves as it is, and Spark does not know."""
    if isinstance(node, exp.Select) and not node.expressions:
        return node.select("1", copy=False)
    if isinstance(node, exp.Collate) and node.expression.name == "C":  # the only order of texts that Spark has
        text: exp.Expr = node.this
        return text
    if isinstance(node, exp.Lateral) and isinstance(node.this, exp.Subquery) and node.this.find(exp.Values):
        return _alternatives(node)
    if isinstance(node, exp.Anonymous) and node.name.lower() == "isfinite":  # Spark has no infinite instants
        return exp.Not(this=exp.Is(this=node.expressions[0], expression=exp.Null()))
    if isinstance(node, exp.Anonymous) and node.name.lower() == "jsonb_build_array":
        return _json_array(node.expressions)
    if isinstance(node, exp.Cast) and _is_of(node, exp.DType.JSONB):  # Spark keeps JSON as text
        json: exp.Expr = node.this
        return json
    if isinstance(node, exp.TimeToStr) and (name := NAMES.get(node.text("format"))):
        node.set("format", exp.Literal.string(name))
    if _is_epoch(node) and isinstance(node.expression, exp.Sub):
        return _seconds(node.expression)
    if isinstance(node, exp.Extract) and node.name.upper() == "ISODOW":
        node.set("this", exp.var("DAYOFWEEK_ISO"))
    return node


def _is_epoch(node: exp.Expr) -> bool:
    return isinstance(node, exp.Extract) and node.name.upper() == "EPOCH"


def _seconds(difference: exp.Sub) -> exp.Expr:
    """The seconds between two instants, exact to the microsecond."""
    micros = [exp.func("unix_micros", side.copy()) for side in (difference.this, difference.expression)]
    return exp.Mul(
        this=exp.Paren(this=exp.Sub(this=micros[0], expression=micros[1])), expression=exp.Literal.number("0.000001")
    )


def _json_array(values: list[exp.Expr]) -> exp.Expr:
    """JSON as PostgreSQL writes it, with a blank after each comma."""
    parts: list[exp.Expr] = []
    for value in values:
        alone = exp.func("to_json", exp.func("array", value.copy()))
        length = exp.Sub(this=exp.func("length", alone.copy()), expression=exp.Literal.number(2))
        parts += [exp.Literal.string(", "), exp.func("substr", alone, exp.Literal.number(2), length)]
    return exp.func("concat", exp.Literal.string("["), *parts[1:], exp.Literal.string("]"))


def _alternatives(lateral: exp.Lateral) -> exp.Expr:
    """Rows that are made of the row beside them: `values` there may not look at that in Spark, an array may."""
    alias = lateral.args["alias"]
    values = lateral.find(exp.Values)
    assert values is not None
    names = [column.name for column in alias.columns]
    rows = [
        exp.func("struct", *(exp.alias_(value, name) for value, name in zip(row.expressions, names, strict=True)))
        for row in values.expressions
    ]
    inline = exp.func("inline", exp.func("array", *rows))
    return exp.Lateral(this=inline, alias=alias)
