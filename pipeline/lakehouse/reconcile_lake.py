"""Source against the lake's stage: whether both hold the same rows, as trust.reconcile compares it with PostgreSQL's.

The rows of a table fall into buckets by a hash of their key. The source and one job of Spark count the rows of each
and add up a hash of each row, of values that are the same text in both. Where all buckets are the same, that was all.
A second job reports keys and hashes of the buckets that differ, and they are compared here.

Rows that changed in the source since stage was loaded are left out on both sides. Of their keys the job gets hashes
alone: what the source holds never becomes a part of a statement.
"""

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from pipeline.catalog import SourceTable
from pipeline.kernel import postgres
from pipeline.kernel.errors import SparkFailed
from pipeline.kernel.postgres import Cursor, sql
from pipeline.lakehouse import plan
from pipeline.lakehouse.compare import (
    NUMBER,
    POSTGRESQL,
    SPARK,
    buckets,
    by_bucket,
    hash_of,
    text_of,
)
from pipeline.lakehouse.plan import Names
from pipeline.source import zones
from pipeline.source.columns import DELETED, parts
from pipeline.trust.reconcile import BUCKETS, Difference, Key, Side, loaded_to

Rows = Mapping[str, Sequence[Sequence[Any]]]
Run = Callable[[Mapping[str, str]], Rows]
Texts = tuple[str | None, ...]  # a key, as text

# Spark's types of what stage holds, and the text of a value of the source that becomes one of these. A value that stage
# cannot hold is no error, and has a text that no value of stage has.
TYPES = {
    "id": ("bigint", "trim_scale(({0})::numeric)::text"),
    "int": ("int", "trim_scale(({0})::numeric)::text"),
    "amount": ("decimal", "trim_scale(({0})::numeric * 1000000000)::text"),
    "instant": ("timestamp", "trim_scale(extract(epoch from {0}) * 1000000)::text"),
    "date": ("date", "replace(({0})::date::text, '-', '')"),
    "flag": ("boolean", "({0})::int::text"),
    # As COPY writes it: a cast takes the blanks from the end of a character(n).
    "text": ("string", "case when {0} is not null then concat({0}) end"),
}
INTEGERS = ("smallint", "integer", "bigint")
# What stage in PostgreSQL can keep and that on the lake cannot: more digits than its decimals have.
TOO_LONG = "({0} is not null and (abs({0}) >= 1e18 or {0} <> round({0}, 9)))"
# Keys in a statement. Of a table of which more rows changed, the keys of all buckets are looked at.
MOST_MOVED = 500_000
# Keys that one job reports, and that are in memory at once: the others are left to the next one.
MOST_KEYS = 500_000
NOTHING = (0, "")  # of a bucket without rows
BITS = {"id": 64, "int": 32}


def compare(
    source: Cursor,
    warehouse: Cursor,
    run: Run,
    tables: Sequence[SourceTable],
    prefix: str,
    zone: str = "",
    *,
    is_exact: bool = False,
) -> list[Difference]:
    """The differences between source tables and their stage tables on the lake.

    `run` runs a job that loads what the lake lacks, and returns the rows of selects by name. `prefix` is what schemas
    are called with there, `zone` the zone of the source's times without one. `is_exact`: the source is seen at the
    position of its log up to which stage is loaded, so that all rows are compared. The caller sees to it that nothing
    else loads these tables meanwhile. Raises SparkFailed and what `run` raises.
    """
    if not tables:
        return []
    found = [
        _Compared(source, table, None if is_exact else loaded_to(warehouse, table), prefix, zone) for table in tables
    ]
    answers = _asked(run, {each.table.name: each.buckets_of_stage() for each in found})
    for each in found:
        each.compare_buckets(answers[each.table.name])
    for share in _shares(found):
        answers = _asked(run, {name: select for each, own in share for name, select in each.of_differing(own).items()})
        for each, own in share:
            each.compare_keys(own, answers)
    return [each.found for each in found]


def _asked(run: Run, selects: Mapping[str, str]) -> dict[str, Sequence[Sequence[Any]]]:
    """The rows of selects by name. On a cluster the job of a killed command ends first, and answers what that asked."""
    mark = uuid.uuid4().hex
    named = {f"{name} {mark}": select for name, select in selects.items()}
    answers = run(named)
    if not named.keys() <= answers.keys():
        answers = run(named)
    if not named.keys() <= answers.keys():
        raise SparkFailed(
            "compare the source with the lake", "the job's report has no answer", "run the same command again"
        )
    return {name: answers[f"{name} {mark}"] for name in selects}


class _Compared:
    """A source table and its stage table on the lake. The texts of values say the same in both engines."""

    def __init__(self, source: Cursor, table: SourceTable, bound: str | None, prefix: str, zone: str) -> None:
        self.table, self.names, self.found = table, Names(prefix), Difference(table)
        self.source, self.kinds = Side(source, table, bound, zone), plan.kinds(table)
        self.differing: dict[int, int] = {}  # buckets, with how many rows they have
        watermark = sql.Identifier(table.watermark).as_string(source)
        end = self.source.end().as_string(source)
        self.is_compared = "true" if bound is None else f"{watermark} < {end}"

    def buckets_of_stage(self) -> str:
        """The select of stage's buckets without the rows that changed in the source, which that is asked for."""
        moved = self._moved()
        select = self._of_stage()
        if 0 < len(moved) <= MOST_MOVED:
            # One text is parsed at once, however many numbers it has.
            texts = f"select explode(split('{','.join(map(str, moved))}', ',')) as text"
            numbers = f"select cast(text as bigint) as key_hash from ({texts}) as texts"
            select = f"select * from ({select}) as stage left anti join ({numbers}) as moved using (key_hash)"
        return buckets(select, SPARK)

    def compare_buckets(self, rows: Sequence[Sequence[Any]]) -> None:
        """Takes in stage's buckets, and finds those that differ."""
        theirs = by_bucket(rows)
        ours = by_bucket(postgres.rows(self.source.cursor, buckets(self._of_source(self.is_compared), POSTGRESQL)))
        self.found.source_rows = sum(count for count, _ in ours.values())
        self.found.stage_rows = sum(count for count, _ in theirs.values())
        self.differing = {
            bucket: max(ours.get(bucket, NOTHING)[0], theirs.get(bucket, NOTHING)[0])
            for bucket in sorted(ours.keys() | theirs.keys())
            if ours.get(bucket, NOTHING) != theirs.get(bucket, NOTHING)
        }

    def of_differing(self, own: Sequence[int]) -> dict[str, str]:
        """The selects of some buckets by name: stage's keys with their hashes, keys that were rejected, all rows."""
        name, stage = self.table.name, self.names.of(f"stage.{self.table.short}")
        return {
            f"keys of {name}": self._in(own, self._of_stage(), "hash"),
            f"rejected of {name}": self._in(own, self._of_rejected()),
            f"present of {name}": f"select count(*) from {stage} where {DELETED} is null",
        }

    def compare_keys(self, own: Sequence[int], answers: Rows) -> None:
        """Takes in the answers to these, and finds the keys that differ."""
        name, cursor = self.table.name, self.source.cursor
        theirs: dict[Texts, int] = {tuple(key): number for *key, number in answers[f"keys of {name}"]}
        ours: dict[Texts, list[int]] = {}
        for *key, number in postgres.rows(cursor, self._in(own, self._of_source(self.is_compared), "hash")):
            ours.setdefault(tuple(key), []).append(number)
        # A row whose key stage cannot hold was rejected without it.
        rejected = {tuple(key) for key in answers[f"rejected of {name}"]} | {key for key in ours if not self._fits(key)}
        # Last: what changed while the job ran is left out too.
        moved = set(map(tuple, postgres.rows(cursor, self._in(own, self._of_source(self._is_moved)))))
        missing = ours.keys() - theirs.keys() - moved
        changed = {key for key, numbers in ours.items() if key in theirs and {*numbers} != {theirs[key]}}
        fixed = set(self.source.fixed(self._keys(missing & rejected), self._too_long()))
        self.found.missing += self._keys(key for key in missing if key not in rejected or self._key(key) in fixed)
        self.found.changed += self._keys(changed - moved)
        self.found.vanished += self._keys(theirs.keys() - ours.keys() - moved)
        [(self.found.present,)] = answers[f"present of {name}"]

    @property
    def _is_moved(self) -> str:
        """Holds for a row without a time too, which no window has."""
        return f"({self.is_compared}) is not true"

    def _moved(self) -> list[int]:
        """The hashes of the keys that changed in the source since stage was loaded, at most one more than are used."""
        if self.source.bound is None:
            return []
        select = f"select key_hash from ({self._of_source(self._is_moved)}) as moved limit {MOST_MOVED + 1}"
        return [int(number) for (number,) in postgres.rows(self.source.cursor, select)]

    def _of_source(self, condition: str) -> str:
        cursor, texts = self.source.cursor, {}
        for name, kind in self.kinds.items():
            column = self.source.columns[name]
            value = zones.in_utc(self.table, column, self.source.zone).as_string(cursor)
            is_plain = kind in ("id", "int") and parts(column.type)[0] in INTEGERS
            texts[name] = ("({0})::text" if is_plain else TYPES[kind][1]).format(value)
        relation = postgres.qualified(self.table.name).as_string(cursor)
        return self._hashed(texts, f"{relation} where {condition}", POSTGRESQL)

    def _of_stage(self) -> str:
        texts = {
            name: f"`{name}`" if kind == "text" else text_of(f"`{name}`", TYPES[kind][0], SPARK)
            for name, kind in self.kinds.items()
        }
        return self._hashed(texts, f"{self.names.of(f'stage.{self.table.short}')} where {DELETED} is null", SPARK)

    def _of_rejected(self) -> str:
        texts = {name: f"get(from_json(row_key, 'array<string>'), {n})" for n, name in enumerate(self.table.key)}
        rejected = f"{self.names.of('etl.rejected_row')} where source = '{self.table.name}'"
        return self._hashed(texts, rejected, SPARK)

    def _hashed(self, texts: Mapping[str, str], relation: str, engine: int) -> str:
        """The select of the key's texts, its hash and bucket, and the row's hash."""
        safe = {
            name: text_of(text, "string", engine) if self.kinds[name] == "text" else text
            for name, text in texts.items()
        }
        keys = ", ".join(f"{texts[name]} as key_{n}" for n, name in enumerate(self.table.key))
        key_hash = NUMBER[engine].format(hash_of((safe[name] for name in self.table.key), engine))
        number = NUMBER[engine].format(hash_of(safe.values(), engine))
        rows = f"select {keys}, {key_hash} as key_hash, {number} as hash from {relation}"
        return f"select *, key_hash % {BUCKETS} as bucket from ({rows}) as numbered"

    def _in(self, own: Iterable[int], select: str, *more: str) -> str:
        """The keys of a select in some buckets."""
        listed = ", ".join([*(f"key_{n}" for n in range(len(self.table.key))), *more])
        return f"select {listed} from ({select}) as hashed where bucket in ({', '.join(map(str, own))})"

    def _keys(self, texts: Iterable[Texts]) -> list[Key]:
        """Keys as values, in their order: shorter numbers are smaller."""
        return list(map(self._key, sorted(texts, key=lambda key: [(len(text or ""), text or "") for text in key])))

    def _key(self, texts: Texts) -> Key:
        return tuple(_value(self.kinds[name], text) for name, text in zip(self.table.key, texts, strict=True))

    def _fits(self, texts: Texts) -> bool:
        """Whether stage can hold a key."""
        limits = (
            (value, BITS.get(self.kinds[name])) for name, value in zip(self.table.key, self._key(texts), strict=True)
        )
        return all(
            value is not None and (not bits or (isinstance(value, int) and -(1 << bits - 1) <= value < 1 << bits - 1))
            for value, bits in limits
        )

    def _too_long(self) -> list[sql.Composable]:
        return [sql.SQL(TOO_LONG).format(sql.Identifier(name)) for name, kind in self.kinds.items() if kind == "amount"]


def _value(kind: str, text: str | None) -> Any:
    if text is None or kind == "text":
        return text
    # A view may show a key that is no whole number, and is never kept.
    return int(text) if text.removeprefix("-").isdigit() else Decimal(text)


def _shares(found: Iterable[_Compared]) -> Iterator[list[tuple[_Compared, list[int]]]]:
    """The buckets that differ by their tables, in shares of so many rows that one job can report them."""
    share: list[tuple[_Compared, list[int]]] = []
    rows = 0
    for each in found:
        for bucket, count in each.differing.items():
            if share and rows + count > MOST_KEYS:
                yield share
                share, rows = [], 0
            if not share or share[-1][0] is not each:
                share.append((each, []))
            share[-1][1].append(bucket)
            rows += count
    if share:
        yield share
