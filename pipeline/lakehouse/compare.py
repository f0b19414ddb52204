"""Whether the star in PostgreSQL and that on the lake are equal: rows and hashes of each table, by natural keys.

Surrogate keys are drawn by each star for itself, so facts are compared with the source's keys of their members
(warehouse/compare), and dimensions without their surrogate keys.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from pipeline.catalog import DIMENSIONS, FACTS
from pipeline.kernel import postgres, sql_files
from pipeline.kernel.postgres import Cursor
from pipeline.lakehouse import declared
from pipeline.lakehouse.plan import MART, Names
from pipeline.lakehouse.spark_sql import to_spark

BUCKETS = 64
# A value as text, the same in both: instants as microseconds, decimals without their point.
TEXTS = {
    "timestamp": ("(extract(epoch from {0}) * 1000000)::bigint::text", "cast(unix_micros({0}) as string)"),
    "decimal": (
        "trunc({0} * 1000000000)::text",
        "cast(cast(cast({0} as decimal(28, 9)) * 1000000000 as decimal(38, 0)) as string)",
    ),
    "date": ("to_char({0}, 'YYYYMMDD')", "date_format({0}, 'yyyyMMdd')"),
    "boolean": ("{0}::int::text", "cast(cast({0} as int) as string)"),
    "string": ("{0}", "{0}"),
    "": ("{0}::text", "cast({0} as string)"),
}
TEXT = ("text", "string")
# Both count the hexadecimal digits of a hash as a number.
OF_POSTGRESQL = "('x' || left({0}, 15))::bit(60)::bigint"
OF_SPARK = "cast(conv(left({0}, 15), 16, 10) as bigint)"


@dataclass(frozen=True)
class Compared:
    """A table of both stars: its rows in each, and how many of the BUCKETS of its rows differ."""

    table: str
    postgresql: int
    lake: int
    differing: int

    @property
    def is_equal(self) -> bool:
        """Whether both hold the same rows."""
        return not self.differing


def selects(prefix: str) -> dict[str, str]:
    """For each table of the star the select of its buckets, for Spark."""
    names = Names(prefix)
    return {
        table: _buckets(to_spark(select, lambda name: names.of(name) if "." in name else None), columns, 1, OF_SPARK)
        for table, select, columns in _tables()
    }


def compare(cursor: Cursor, found: Mapping[str, Sequence[Sequence[Any]]]) -> list[Compared]:
    """Compares PostgreSQL's star with the buckets that a job has found by `selects`."""
    result = []
    for table, select, columns in _tables():
        own = _by_bucket(postgres.rows(cursor, _buckets(select, columns, 0, OF_POSTGRESQL)))
        other = _by_bucket(found[table])
        differing = sum(own.get(bucket) != other.get(bucket) for bucket in own.keys() | other.keys())
        rows, lake_rows = (sum(count for count, _ in buckets.values()) for buckets in (own, other))
        result.append(Compared(table, rows, lake_rows, differing))
    return result


def _by_bucket(rows: Sequence[Sequence[Any]]) -> dict[int, tuple[int, str]]:
    return {int(bucket): (int(count), str(total)) for bucket, count, total in rows}


def _tables() -> Iterator[tuple[str, str, dict[str, str]]]:
    """Each table with the select of its natural rows, in PostgreSQL's words, and Spark's types of their columns."""
    known = {name: kind for table in declared.tables().values() for name, kind in table.columns.items()}
    for name, dimension in DIMENSIONS.items():
        columns = dict(declared.tables()[f"dwh.{name}"].columns)
        if dimension.is_numbered:
            del columns[dimension.surrogate]
        yield name, f"select {', '.join(columns)} from dwh.{name}", columns
    for schema, name in [("dwh", name) for name in FACTS] + [("mart", name) for name in MART]:
        select = sql_files.COMMENT.sub("", sql_files.read(f"compare/{name}"))
        listed = exp.maybe_parse(select, dialect="postgres", into=exp.Select).named_selects
        types = known | declared.tables()[f"{schema}.{name}"].columns
        yield name, select, {column: types[column] for column in listed}


def _buckets(select: str, columns: Mapping[str, str], engine: int, number: str) -> str:
    """Rows and sum of hashes of each bucket of a select."""
    texts = ", ".join(f"coalesce({_text(kind)[engine].format(name)}, '~')" for name, kind in columns.items())
    hashed = number.format(f"md5(concat_ws(chr(31), {texts}))")
    return f"""
        select hash % {BUCKETS} as bucket, count(*) as found,
            cast(sum(cast(hash as decimal(38, 0))) as {TEXT[engine]}) as total
        from (select {hashed} as hash from ({select}) as row_of_star) as hashed
        group by hash % {BUCKETS}
    """


def _text(kind: str) -> tuple[str, str]:
    return TEXTS.get(kind.partition("(")[0], TEXTS[""])
