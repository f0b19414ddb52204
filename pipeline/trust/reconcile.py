"""Source against warehouse: whether both hold the same rows, whatever the watermarks say.

The rows of a table fall into buckets by a hash of their key. For each bucket both servers count the rows and add up a
hash of each. These few thousand numbers tell which buckets differ, and only their keys and hashes are moved. So a table
of ten million rows is compared in its own server.

Rows that changed in the source since stage was loaded are left out on both sides.
"""

import datetime as dt
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.catalog import STAR, Dimension, Fact, SourceTable
from pipeline.kernel import postgres
from pipeline.kernel.postgres import Cursor, identifiers, qualified, sql
from pipeline.kernel.rejected import LONGEST
from pipeline.kernel.sql_files import statement
from pipeline.source import zones
from pipeline.source.columns import BATCH, DELETED, Column, existing_columns, faults, fits, kind_of, read_columns
from pipeline.trust import turns

BUCKETS = 4096  # a power of two
IN_MEMORY = 1 << 25  # bytes of keys and hashes on their way, before they go by way of a file
# The table of dwh that holds the rows of a stage table, if both have columns in common.
IN_DWH = {target.sources[0]: target for target in STAR if target.compared}
Key = tuple[Any, ...]


@dataclass
class Difference:
    """The differences of one table. Keys are those of the source.

    `missing`: not in stage, and not among rows that were rejected and cannot be kept as they are in the source now.
    `changed`: other contents for the same key. `vanished`: not in the source.
    """

    table: SourceTable
    source_rows: int = 0
    stage_rows: int = 0
    missing: list[Key] = field(default_factory=list)
    changed: list[Key] = field(default_factory=list)
    vanished: list[Key] = field(default_factory=list)
    dwh_missing: int = 0
    dwh_changed: int = 0
    dwh_vanished: int = 0
    # How many rows stage holds that are not marked as deleted, where it is not PostgreSQL's.
    present: int | None = None

    @property
    def to_extract(self) -> list[Key]:
        """The keys that the source has, and that stage lacks or has with other contents."""
        return self.missing + self.changed

    @property
    def is_same_in_stage(self) -> bool:
        """Whether source and stage hold the same."""
        return not (self.to_extract or self.vanished)

    @property
    def is_none(self) -> bool:
        """Whether source, stage and dwh hold the same."""
        in_dwh = self.dwh_missing or self.dwh_changed or self.dwh_vanished
        return self.is_same_in_stage and not in_dwh


def loaded_to(warehouse: Cursor, table: SourceTable) -> str | None:
    """The instant up to which stage has all changes of a table; None if it was never loaded."""
    query = "select loaded_to::text from etl.stage_batch where table_name = %s"
    found = postgres.rows(warehouse, query, (table.short,))
    return found[0][0] if found else None


def compare(
    source: Cursor, warehouse: Cursor, table: SourceTable, zone: str = "", *, is_exact: bool = False
) -> Difference:
    """The difference between a source table and its stage table. Makes temporary tables in the warehouse.

    `zone` is the zone of the source's times without one. `is_exact`: the source is seen at the position of its log up
    to which stage is loaded, so that all rows are compared.

    Runs two aggregates over the table on either side. Moves keys and hashes only of the buckets that differ.
    """
    found = Difference(table)
    bound = None if is_exact else loaded_to(warehouse, table)
    here, there = Side(source, table, bound, zone), Side(warehouse, table, bound, stage=True)
    here.bring_moved(warehouse)
    shared = [column for column in there.columns.values() if here.has_alike(column)]
    ours, theirs = there.buckets(shared), here.buckets(shared)
    found.source_rows = sum(rows for rows, _ in theirs.values())
    found.stage_rows = sum(rows for rows, _ in ours.values())
    buckets = [bucket for bucket in range(BUCKETS) if ours.get(bucket) != theirs.get(bucket)]
    if buckets:
        here.send(shared, buckets, warehouse)
        rejected: list[Key] = []
        for kind, is_rejected, *key in postgres.rows(warehouse, there.differing(shared, buckets)):
            (rejected if is_rejected and kind == "missing" else getattr(found, kind)).append(tuple(key))
        found.missing += here.fixed(rejected)
    if table.short in IN_DWH:
        query = _against_dwh(table, IN_DWH[table.short])
        [(found.dwh_missing, found.dwh_changed, found.dwh_vanished)] = postgres.rows(warehouse, query)
    return found


def _against_dwh(table: SourceTable, target: Dimension | Fact) -> sql.Composed:
    """The query that counts keys of stage that dwh lacks or has with other contents, and keys of dwh alone.

    Looks only at the current version of a product, and never at the unknown member.
    """
    is_versioned = isinstance(target, Dimension) and target.versions_of
    current = sql.SQL("and is_current" if is_versioned else "")
    return statement(
        "reconcile/in_dwh",
        stage=qualified(f"stage.{table.short}"),
        dwh=qualified(f"dwh.{target.name}"),
        in_stage=identifiers(target.compared, "staged"),
        in_dwh=identifiers(target.compared, "loaded"),
        present=sql.SQL("{}::text <> '-1' {}").format(sql.Identifier(table.key[0]), current),
        key=identifiers(table.key),
    )


@dataclass
class Side:
    """One of the two: the source table, or its stage table in PostgreSQL. Without a bound all its rows are compared."""

    cursor: Cursor
    table: SourceTable
    bound: str | None
    zone: str = ""
    stage: bool = False

    def __post_init__(self) -> None:
        name = f"stage.{self.table.short}" if self.stage else self.table.name
        found = existing_columns(self.cursor, name) if self.stage else read_columns(self.cursor, self.table)
        self.columns = {column.name: column for column in found if column.name not in (BATCH, DELETED)}
        self.name = qualified(name)

    def has_alike(self, staged: Column) -> bool:
        """Whether it has a column of stage, and can be compared in it: what nobody reads may be kept there as text."""
        found = self.columns.get(staged.name)
        return bool(found and (kind_of(self.table, staged.name) or fits(found.type, staged.type)))

    def buckets(self, columns: Sequence[Column]) -> dict[int, tuple[int, int]]:
        """Rows and sum of hashes of each bucket that has rows."""
        rows = postgres.rows(self.cursor, statement("reconcile/buckets", hashed=self._hashed(columns)))
        return {bucket: (count, int(total)) for bucket, count, total in rows}

    def send(self, columns: Sequence[Column], buckets: list[int], warehouse: Cursor) -> None:
        """Brings keys and hashes of some buckets into the warehouse's temporary table `source_row`."""
        key = identifiers(self.table.key)
        warehouse.execute(
            sql.SQL(
                "drop table if exists pg_temp.source_row; "
                "create temporary table source_row as select {}, ''::text as hash from {} where false"
            ).format(key, qualified(f"stage.{self.table.short}"))
        )
        query = statement("reconcile/hashes", key=key, hashed=self._hashed(columns), buckets=buckets)
        _move(self.cursor, query, warehouse, "source_row", [*self.table.key, "hash"])

    def differing(self, columns: Sequence[Column], buckets: list[int]) -> sql.Composed:
        """The query of the keys in which `source_row` and stage differ: how, whether rejected, the key."""
        key = self.table.key
        return statement(
            "reconcile/differing",
            key=identifiers(key),
            hashed=self._hashed(columns),
            buckets=buckets,
            source=self.table.name,
            key_in_text=sql.SQL(", ").join(sql.SQL('"row"::json -> {}').format(sql.Literal(name)) for name in key),
            longest=LONGEST,
        )

    def _hashed(self, columns: Sequence[Column]) -> sql.Composed:
        """Key, bucket and hash of the rows that are compared."""
        key = identifiers(self.table.key)
        moved = sql.SQL("{} is null and ({}) not in (select {} from moved)").format(sql.Identifier(DELETED), key, key)
        older = sql.SQL("{} < {}").format(sql.Identifier(self.table.watermark), self.end())
        if self.bound is None:
            older = sql.SQL("true").format()
        select = statement(
            "reconcile/hashed",
            key=key,
            mask=BUCKETS - 1,
            columns=sql.SQL(", ").join(map(self._as_in_stage, columns)),
            table=self.name,
            compared=moved if self.stage else older,
        )
        return sql.SQL("({}) as hashed").format(select)

    def _as_in_stage(self, staged: Column) -> sql.Composable:
        """A column as a value of stage's type, which is written the same way on both sides."""
        value = zones.in_utc(self.table, self.columns[staged.name], self.zone)
        if self.columns[staged.name].type != staged.type:
            value = sql.SQL("({})::{}").format(value, sql.SQL(staged.type))
        # Without limits each value has a scale of its own.
        return sql.SQL("trim_scale({})").format(value) if staged.type == "numeric" else value

    def end(self) -> sql.Composable:
        """The bound, to be compared with the watermark."""
        return zones.end(self.table, self.columns.values(), self.bound, self.zone)

    def fixed(self, keys: list[Key], more: Sequence[sql.Composable] = ()) -> list[Key]:
        """Those of some keys whose rows can be kept as they are in the source now; `more` says what else cannot be."""
        why = [*(condition for condition, _ in faults(self.table, list(self.columns.values()))), *more]
        if not (keys and why):
            return keys
        read = (
            # As an extract has it: where the source has a type of its own, the faults are not of that.
            sql.SQL("({})::{} as {}").format(
                zones.in_utc(self.table, column, self.zone), sql.SQL(column.type), sql.Identifier(column.name)
            )
            for column in self.columns.values()
            if column.name in self.table.columns
        )
        query = statement(
            "reconcile/fixed",
            key=identifiers(self.table.key),
            columns=sql.SQL(", ").join(read),
            table=self.name,
            keys=listed(self.table, self.columns, keys),
            faulty=sql.SQL(" or ").join(why),
        )
        return [tuple(key) for key in postgres.rows(self.cursor, query)]

    def bring_moved(self, warehouse: Cursor) -> None:
        """The keys that changed in the source since stage was loaded, as temporary table `moved` of the warehouse."""
        key = identifiers(self.table.key)
        warehouse.execute(
            sql.SQL(
                "drop table if exists pg_temp.moved; create temporary table moved as select {} from {} where false"
            ).format(key, qualified(f"stage.{self.table.short}"))
        )
        if self.bound is None:
            return
        watermark = sql.Identifier(self.table.watermark)
        query = statement("reconcile/moved", key=key, table=self.name, watermark=watermark, bound=self.end())
        _move(self.cursor, query, warehouse, "moved", self.table.key)


def _move(source: Cursor, query: sql.Composable, warehouse: Cursor, table: str, columns: Sequence[str]) -> None:
    with tempfile.SpooledTemporaryFile(IN_MEMORY) as file:
        postgres.copy_out(source, query, file)
        file.seek(0)
        postgres.copy_in(warehouse, sql.Identifier(table), columns, file, "format csv, header match")
    warehouse.execute(sql.SQL("analyze {}").format(sql.Identifier(table)))


def keep(warehouse: Cursor, date: dt.date, found: Difference) -> None:
    """Keeps the result of a comparison in etl.reconciliation and etl.difference, in place of an earlier result.

    Notes in etl.whole_pass whether source and warehouse are the same.
    """
    turns.note(warehouse, turns.COMPARISON, found.table.name, date, passed=found.is_none)
    where = (date, found.table.name)
    for table in ("reconciliation", "difference"):
        warehouse.execute(
            sql.SQL("delete from {} where load_date = %s and table_name = %s").format(qualified(f"etl.{table}")), where
        )
    counts = [len(found.missing), len(found.changed), len(found.vanished)]
    counts += [found.dwh_missing, found.dwh_changed, found.dwh_vanished]
    warehouse.execute(
        "insert into etl.reconciliation values (%s, %s, default, %s, %s, %s, %s, %s, %s, %s, %s)",
        (*where, found.source_rows, found.stage_rows, *counts),
    )
    for kind in ("missing", "changed", "vanished"):
        keys = [json.dumps(key, default=str) for key in getattr(found, kind)]
        warehouse.execute("insert into etl.difference select %s, %s, %s, unnest(%s::text[])", (*where, kind, keys))


def listed(table: SourceTable, columns: Mapping[str, Column], keys: Sequence[Key]) -> sql.Composed:
    """Keys of a source table, of whose columns some are given by name, as a query of the source."""
    of_columns = (
        sql.SQL("{}::{}[]").format(sql.Literal([key[number] for key in keys]), sql.SQL(columns[name].type))
        for number, name in enumerate(table.key)
    )
    return sql.SQL("select * from unnest({})").format(sql.SQL(", ").join(of_columns))
