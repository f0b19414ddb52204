"""Whether the star in PostgreSQL and that on the lake are equal: rows and hashes of each table, by natural keys.

Surrogate keys are drawn by each star for itself, so facts are compared with the source's keys of their members
(warehouse/compare), and dimensions without their surrogate keys.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
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
POSTGRESQL, SPARK = 0, 1
IN_BILLIONTHS = "cast(cast(cast({0} as decimal(28, 9)) * 1000000000 as decimal(38, 0)) as string)"
# A value as text, the same in both: instants as microseconds, decimals without their point. No text has a US in it that
# no dot follows.
TEXTS = {
    "timestamp": ("(extract(epoch from {0}) * 1000000)::bigint::text", "cast(unix_micros({0}) as string)"),
    "decimal": ("trunc({0} * 1000000000)::text", IN_BILLIONTHS),
    "double": ("trunc({0}::numeric * 1000000000)::text", IN_BILLIONTHS),  # none of the star has more digits
    "date": ("to_char({0}, 'YYYYMMDD')", "date_format({0}, 'yyyyMMdd')"),
    "boolean": ("{0}::int::text", "cast(cast({0} as int) as string)"),
    "string": ("replace({0}, chr(31), chr(31) || '.')", "replace({0}, chr(31), chr(31) || '.')"),
    "": ("{0}::text", "cast({0} as string)"),
}
TEXT = ("text", "string")
# Of the bytes in UTF-8, whatever a database of PostgreSQL keeps.
HASH = ("md5(convert_to({0}, 'UTF8'))", "md5({0})")
# Both count the hexadecimal digits of a hash as a number.
NUMBER = ("('x' || left({0}, 15))::bit(60)::bigint", "cast(conv(left({0}, 15), 16, 10) as bigint)")


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
        table: _buckets(to_spark(select, lambda name: names.of(name) if "." in name else None), columns, SPARK)
        for table, select, columns in _tables()
    }


def compare(cursor: Cursor, found: Mapping[str, Sequence[Sequence[Any]]]) -> list[Compared]:
    """Compares PostgreSQL's star with the buckets that a job has found by `selects`."""
    result = []
    for table, select, columns in _tables():
        own = by_bucket(postgres.rows(cursor, _buckets(select, columns, POSTGRESQL)))
        other = by_bucket(found[table])
        differing = sum(own.get(bucket) != other.get(bucket) for bucket in own.keys() | other.keys())
        rows, lake_rows = (sum(count for count, _ in buckets.values()) for buckets in (own, other))
        result.append(Compared(table, rows, lake_rows, differing))
    return result


def text_of(value: str, kind: str, engine: int) -> str:
    """A value, of one of Spark's types, as text that is the same in both engines."""
    return TEXTS.get(kind.partition("(")[0], TEXTS[""])[engine].format(value)


def hash_of(texts: Iterable[str], engine: int) -> str:
    """The hash of texts in their order, as hexadecimal digits. NULL is another value than any text."""
    listed = ", ".join(f"coalesce('=' || {text}, '~')" for text in texts)
    return HASH[engine].format(f"concat_ws(chr(31), {listed})")


def buckets(select: str, engine: int) -> str:
    """The select of the rows and the sum of hashes of each bucket of a select of `bucket` and `hash`, a number."""
    return f"""
        select bucket, count(*) as found, cast(sum(cast(hash as decimal(38, 0))) as {TEXT[engine]}) as total
        from ({select}) as hashed
        group by bucket
    """


def by_bucket(rows: Sequence[Sequence[Any]]) -> dict[int, tuple[int, str]]:
    """Rows and sum of hashes by bucket, of the rows of such a select."""
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


def _buckets(select: str, columns: Mapping[str, str], engine: int) -> str:
    hashed = hash_of((text_of(name, kind, engine) for name, kind in columns.items()), engine)
    numbered = f"select {NUMBER[engine].format(hashed)} as hash from ({select}) as row_of_star"
    return buckets(f"select hash % {BUCKETS} as bucket, hash from ({numbered}) as numbered", engine)
