"""Each select of the warehouse means the same in PostgreSQL and in Spark: both get the rows of its cases."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from faults.disturbed import FAULTS
from support import sql_cases
from support.sql_cases import Case, shown
from support.sql_in_postgresql import fetched, filled, prepare

from pipeline.kernel import postgres, sql_files
from pipeline.kernel.postgres import Cursor
from pipeline.lakehouse.spark_sql import differing, to_spark, type_of
from sql.generated_rows import fill

if TYPE_CHECKING:  # importing it takes as long as many a test
    from pyspark.sql import DataFrame, SparkSession

# What stays in PostgreSQL, whatever engine builds the star, and why.
POSTGRESQL_ALONE = {
    "checks/primary_keys": "reads the catalog of PostgreSQL",
    "checks/volume_of_extracts": "reads etl, which stays in PostgreSQL",
    "work/purchases/agg_behavior_day": "behaviour of users is loaded into the mart, which stays in PostgreSQL",
    "work/purchases/changed_behavior": "behaviour of users is loaded into the mart, which stays in PostgreSQL",
    "work/purchases/replaced_day": "purchases are loaded by day, for the mart",
    "work/purchases/stage_user_purchase": "purchases are loaded by day, for the mart",
    "work/purchases/user_behavior_metric": "behaviour of users is loaded into the mart, which stays in PostgreSQL",
    "work/purchases/user_purchase_day": "purchases are loaded by day, for the mart",
    "work/stage/newest": "takes the row that was written last (ctid), for which the lake has a column",
}
# What no generated rows fit: keys in JSON.
LEFT_EMPTY = {"work/fact/changed_partner_order": {"due"}}
SELECTS = [
    path for folder in ("work", "checks") for path in sql_files.files(folder) if sql_files.head(path).kind == "select"
]
BOTH = [path for path in SELECTS if path not in POSTGRESQL_ALONE]
ROUNDS = max(1, FAULTS // 10)
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
TABLE = """
select attname, format_type(atttypid, atttypmod) from pg_attribute
where attrelid = %s::regclass and attnum > 0 and not attisdropped order by attnum
"""


@pytest.fixture(scope="module")
def spark(spark_session: "SparkSession") -> "SparkSession":
    """A session of its own, as strict as PostgreSQL, in which a query of a few rows is one task."""
    found = spark_session.newSession()
    for name, value in {
        "spark.sql.ansi.enabled": "true",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "1",
        "spark.sql.adaptive.enabled": "false",
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    }.items():
        found.conf.set(name, value)
    return found


def test_what_stays_in_postgresql_is_said_with_its_reason(capsys: pytest.CaptureFixture[str]) -> None:
    assert set(POSTGRESQL_ALONE) <= set(SELECTS)
    with capsys.disabled():
        print("\nselects of PostgreSQL alone")
        for path, why in POSTGRESQL_ALONE.items():
            print(f"  {path:<42}{why}")


@pytest.mark.parametrize("path", BOTH)
def test_a_select_says_nothing_that_differs_without_an_error(path: str, cursor: Cursor) -> None:
    assert differing(filled(sql_cases.cases(path)[0]).as_string(cursor)) == []


@pytest.mark.parametrize(
    "expression",
    [
        "a / 2",
        "a::numeric",
        "a::timestamp",
        "'infinity'::timestamptz",
        "coalesce(a, '-infinity')",
        "''::integer",
        "extract(dow from a)",
        "extract(epoch from a)",
        "extract(epoch from now())",
        "round(a)",
        "a::numeric(9, 2)::integer",
    ],
)
def test_what_differs_without_an_error_is_found(expression: str) -> None:
    assert differing(f"select {expression} from b")


@pytest.mark.parametrize(
    "expression",
    [
        "a::numeric(9, 2) / 2",
        "a * 2",
        "a::timestamp at time zone 'UTC'",
        "extract(isodow from a)",
        "extract(epoch from a - b)",
        "a::bigint",
        "''",
    ],
)
def test_what_means_the_same_is_not_found(expression: str) -> None:
    assert not differing(f"select {expression} from b")


@pytest.mark.parametrize("path", BOTH)
def test_a_select_gives_the_same_in_spark(path: str, cursor: Cursor, spark: "SparkSession") -> None:
    for case in filter(is_finite, sql_cases.cases(path)):
        cursor.execute("savepoint of_case")
        prepare(cursor, case)
        assert_same(cursor, spark, case)
        cursor.execute("rollback to savepoint of_case")


@pytest.mark.parametrize("path", BOTH)
def test_rows_that_no_case_has_give_the_same_in_spark(path: str, cursor: Cursor, spark: "SparkSession") -> None:
    case, chance = replace(sql_cases.cases(path)[0], given={}), Random(path)
    for _ in range(ROUNDS):
        cursor.execute("savepoint of_rows")
        prepare(cursor, case)
        for table in sorted(tables_of(case, cursor) - LEFT_EMPTY.get(path, set())):
            fill(cursor, table, chance)
        assert_same(cursor, spark, case)
        cursor.execute("rollback to savepoint of_rows")


def tables_of(case: Case, cursor: Cursor) -> set[str]:
    """The tables that the select of a case reads."""
    found: set[str] = set()

    def note(name: str) -> None:
        if postgres.value(cursor, "select to_regclass(%s)", (name,)) is not None:
            found.add(name)

    to_spark(filled(case).as_string(cursor), note)
    return found


def assert_same(cursor: Cursor, spark: "SparkSession", case: Case) -> None:
    """Compares what the select of a case gives in both engines, of the rows that are in PostgreSQL."""
    of_spark = in_spark(spark, case, cursor)
    cursor.execute(filled(case))
    found, expected = shown(of_spark, fetched(cursor))
    assert found == expected, case


def is_finite(case: Case) -> bool:
    """Whether no instant of a case is infinite: Spark knows no such one, and psycopg2 reads it as the last one."""
    return "infinity" not in str(case.given)


def in_spark(spark: "SparkSession", case: Case, cursor: Cursor) -> list[Mapping[str, Any]]:
    """What the select of a case gives in Spark, of the rows that its tables have in PostgreSQL."""
    views = {table: table.replace(".", "__") for table in tables_of(case, cursor)}
    for table, view in views.items():
        copy(spark, cursor, table, view)
    return rows(spark.sql(to_spark(filled(case).as_string(cursor), views.get)))


def copy(spark: "SparkSession", cursor: Cursor, table: str, view: str) -> None:
    """Gives Spark a view of the rows of a table."""
    columns = postgres.rows(cursor, TABLE, (table,))
    names = ", ".join(f"{name} - '0/0'::pg_lsn as {name}" if kind == "pg_lsn" else name for name, kind in columns)
    cursor.execute(f"select {names} from {table}")  # a table of ours
    found = cursor.fetchall()
    types = [type_of(kind) for _, kind in columns]
    names = ", ".join(f"`{name}`" for name, _ in columns)
    given = ", ".join(row(types, each) for each in found) or row(types, [None] * len(types))
    spark.sql(f"select * from values {given} as given ({names}) where {bool(found)}").createOrReplaceTempView(view)


def row(types: Sequence[str], values: Iterable[Any]) -> str:
    """A row of literals with these types."""
    return f"({', '.join(f'cast({literal(value)} as {kind})' for kind, value in zip(types, values, strict=True))})"


def literal(value: Any) -> str:
    """A value of PostgreSQL in Spark's words."""
    if value is None:
        return "null"
    if isinstance(value, bool | int | float | Decimal):
        return str(value)
    return "'{}'".format(str(value).replace("\\", "\\\\").replace("'", "\\'"))


def rows(found: "DataFrame") -> list[Mapping[str, Any]]:
    """The rows of a result. Its instants are asked for as numbers: Python would move them to its own zone."""
    instants = {name for name, kind in found.dtypes if kind == "timestamp"}
    asked = [f"unix_micros(`{name}`) as `{name}`" if name in instants else f"`{name}`" for name in found.columns]
    return [
        {
            name: EPOCH + dt.timedelta(microseconds=value) if name in instants and value is not None else value
            for name, value in each.asDict().items()
        }
        for each in found.selectExpr(*asked).collect()
    ]
