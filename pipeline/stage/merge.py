"""One extract or repair from the lake into its stage table: delta first, then the newest row of each key wins."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from pipeline.catalog import SourceTable
from pipeline.kernel import postgres, writes
from pipeline.kernel.postgres import Cursor, identifiers, qualified, sql
from pipeline.kernel.rejected import Allowance
from pipeline.kernel.sql_files import statement
from pipeline.lake.objects import Lake
from pipeline.source.columns import (
    BATCH,
    DELETED,
    Column,
    Fault,
    create_table,
    existing_columns,
    faults,
    primary_key,
)
from pipeline.source.instants import BEGINNING
from pipeline.source.layout import Metadata
from pipeline.stage import intake, order
from pipeline.stage.drift import follow, note_texts
from pipeline.stage.history import History


@dataclass(frozen=True)
class Loaded:
    """What a load did: rows that the extract brought, rows that were new or newer, rows rejected, bytes read.

    `has_other_columns`: the source's table was changed, and its log does not tell what became of the rows.
    """

    rows: int
    changed: int
    rejected: int
    bytes: int
    has_other_columns: bool = False


@dataclass(frozen=True)
class Load:
    """The load of one extract or repair in the caller's transaction, which holds the lock on the stage table.

    A row of an extract wins over the one in stage when its watermark is newer, but not over that of a repair after it.
    A row of a repair wins when it is different and the one in stage is from before the repair's bound. So a replay
    changes nothing. Where the catalogue names a history column, every value that was ever seen is
    kept beside stage, late ones too. Rows that cannot be kept go to etl.rejected_row; without `allowance` they may be
    any number.
    """

    cursor: Cursor
    lake: Lake
    table: SourceTable
    found: Metadata
    allowance: Allowance | None
    progress: Callable[[int], None] = lambda _: None

    def run(self) -> Loaded:
        """Loads the extract; `progress` is told the bytes received so far.

        Raises BadExtract when the data is not what its metadata says, SchemaDrift when stage cannot take the
        source's types, TooManyRejected when more rows of an extract cannot be kept than are allowed.
        """
        existing = existing_columns(self.cursor, f"stage.{self.table.short}")
        if existing:
            self._follow_source(existing)
            loaded = self._through_delta()
        else:
            loaded = self._first()
        self._note(loaded)
        order.note(self.cursor, self.table, self.found, self.batch)
        return loaded

    @property
    def _columns(self) -> list[Column]:
        """The columns of the extract that stage takes."""
        return self.found.columns

    @cached_property
    def batch(self) -> int:
        """The number of this load: drawn under the lock, so that the order of batches is the order of commits."""
        number: int = postgres.value(self.cursor, "select nextval('etl.batch')")
        return number

    @cached_property
    def later(self) -> list[int]:
        """The batches of what comes after it in the order, and is loaded already."""
        return order.later(self.cursor, self.table, self.found)

    @property
    def stage(self) -> sql.Identifier:
        """The stage table, quoted."""
        return qualified(f"stage.{self.table.short}")

    @property
    def delta(self) -> sql.Identifier:
        """The delta table, quoted."""
        return qualified(f"delta.{self.table.short}")

    def _note(self, loaded: Loaded) -> None:
        """Notes how far stage is now."""
        self.cursor.execute(
            NOTE,
            {
                "table": self.table.short,
                "batch": self.batch,
                "changed": loaded.changed > 0,
                "from": self.found.from_watermark,
                # A repair is of what stage has already.
                "to": BEGINNING if order.is_repair(self.found) else self.found.to_watermark,
                "lsn": None if order.is_repair(self.found) else self.found.to_lsn,
                "columns": self._source_columns,
            },
        )

    @property
    def _source_columns(self) -> str:
        """The source's columns and their types, to be compared with those of the next changes from the log."""
        return json.dumps([[column.name, column.type] for column in self.found.columns])

    def _follow_source(self, existing: Sequence[Column]) -> None:
        name = f"stage.{self.table.short}"
        statements = follow(self.table, name, existing, self._columns, add=True)
        if self._history:
            statements += self._history.follow(self._columns)
        for change in statements:
            self.cursor.execute(change)
        found = existing_columns(self.cursor, name) if statements else existing
        note_texts(self.cursor, self.table, found, self._columns)

    def _first(self) -> Loaded:
        """Makes the stage table and fills it, without a detour where that is possible."""
        self.cursor.execute("savepoint straight")
        if self._straight():
            return Loaded(self.found.rows, self.found.rows, 0, self.found.bytes)
        self.cursor.execute("rollback to savepoint straight")
        self.cursor.execute(create_table("stage", self.table, self.found.columns))
        self._finish_stage()
        return self._through_delta()

    def _straight(self) -> bool:
        """Fills a new stage table without a detour; false where the extract needs the checks of the longer way.

        A table made in the same transaction takes frozen rows, and its key is built once at the end.
        """
        self.cursor.execute(create_table("stage", self.table, self.found.columns))
        try:
            self._copy(self.stage, f"{intake.CSV}, freeze")
            self._finish_stage()
        except (postgres.errors.UniqueViolation, postgres.errors.NotNullViolation):
            return False
        if intake.any_faulty(self.cursor, self.stage, self._faults):
            return False
        self._keep_history(self.stage)
        return True

    def _finish_stage(self) -> None:
        """Key, own columns, index, history. A column added with a constant is not written to any row."""
        batch_column, batch = sql.Identifier(BATCH), sql.Literal(self.batch)
        for change in (
            primary_key("stage", self.table),
            sql.SQL("alter table {} add column {} bigint not null default {}").format(self.stage, batch_column, batch),
            sql.SQL("alter table {} alter column {} drop default").format(self.stage, batch_column),
            sql.SQL("alter table {} add column {} timestamptz").format(self.stage, sql.Identifier(DELETED)),
            # Later loads are small beside the first: what they changed is found without looking at the rest.
            sql.SQL("create index on {} ({}) where {} > {}").format(self.stage, batch_column, batch_column, batch),
        ):
            self.cursor.execute(change)
        self.cursor.execute("select etl.describe_stage(%s)", (f"stage.{self.table.short}",))
        if self._history:
            self._history.create(self.stage, self.batch)
        # A small sample: what plans need of a stage table is its size.
        self.cursor.execute("set local default_statistics_target = 10")
        self.cursor.execute(sql.SQL("analyze {}").format(self.stage))

    def _through_delta(self) -> Loaded:
        if not self.found.rows:
            return Loaded(0, 0, 0, 0)
        self.cursor.execute(sql.SQL("drop table if exists {}").format(self.delta))
        self.cursor.execute(create_table("delta", self.table, self.found.columns))
        self._copy(self.delta, intake.CSV)
        reasons = self._reject() if intake.any_faulty(self.cursor, self.delta, self._faults) else Counter[str]()
        newer = self._merge()
        # Looked for where something is missing: usually each row of a new extract is a key of its own.
        if not reasons and newer < self.found.rows and self._has_rivals():
            reasons = self._reject()
        if self.allowance:
            intake.check_rejected(self.table, self.found, reasons, self.allowance)
        if order.is_repair(self.found):
            intake.forget_rejected(self.cursor, self.delta, self.table)
        seen = self._keep_history(self.delta)
        return Loaded(self.found.rows, max(newer, seen), reasons.total(), self.found.bytes)

    def _merge(self) -> int:
        """Brings the newest row of each key from delta into stage; returns how many were new or newer."""
        names, watermark = [column.name for column in self.found.columns], sql.Identifier(self.table.watermark)
        newest = statement(
            "work/stage/newest",
            key=identifiers(self.table.key),
            columns=identifiers(names),
            batch=self.batch,
            delta=self.delta,
            watermark=watermark,
        )
        table, columns = f"stage.{self.table.short}", [*names, BATCH, DELETED]
        if order.is_repair(self.found):
            # What came after its bound is newer than that. Later repairs are loaded again after it.
            before: sql.Composable = sql.SQL("old.{} < {}").format(watermark, sql.Literal(self.found.to_watermark))
            if self.found.to_lsn:  # of a source whose watermarks say nothing: the batches after it are known
                before = writes.not_of("old", self.later)
            return writes.merge(self.cursor, table, self.table.key, columns, newest, ignored=(BATCH,), guard=before)
        wins = sql.SQL("old.{} < excluded.{}").format(watermark, watermark)
        guard = writes.not_of("old", self.later)
        return writes.merge(self.cursor, table, self.table.key, columns, newest, wins=wins, guard=guard)

    @cached_property
    def _faults(self) -> list[Fault]:
        """Why a row cannot be kept, whatever the other rows are."""
        return faults(self.table, self.found.columns)

    def _reject(self) -> Counter[str]:
        """Moves the rows of delta that cannot be kept to etl.rejected_row."""
        found = self._faults
        if self._has_rivals():
            rival = sql.SQL(
                "(candidate.*)::text <> first_value((candidate.*)::text) over "
                "(partition by {key}, {watermark} order by candidate.ctid desc)"
            ).format(key=identifiers(self.table.key), watermark=sql.Identifier(self.table.watermark))
            found = [
                *found,
                (rival, f"a later row has the same {' and '.join(self.table.key)} and {self.table.watermark}"),
            ]
        return intake.reject(self.cursor, self.delta, self.table, self.found, found)

    def _has_rivals(self) -> bool:
        """Whether delta holds rows of the same key that are equally new."""
        query = sql.SQL("select exists (select from {} group by {}, {} having count(*) > 1)")
        by = identifiers(self.table.key), sql.Identifier(self.table.watermark)
        exists: bool = postgres.value(self.cursor, query.format(self.delta, *by))
        return exists

    @cached_property
    def _history(self) -> History | None:
        return History(self.cursor, self.table) if self.table.history else None

    def _keep_history(self, seen: sql.Composable) -> int:
        """Keeps what was seen of the history column; returns how many values are new."""
        if not self._history:
            return 0
        if order.is_repair(self.found):
            return self._history.keep_repaired(seen, self.batch, self.later, self.found.to_watermark)
        return self._history.keep(seen, self.batch, self.later)

    def _copy(self, target: sql.Identifier, options: str) -> None:
        intake.copy(self.cursor, self.lake, self.found, target, options, self.progress)


# Where an extract begins after the end of stage, there is a gap, and stage ends where it did.
NOTE = """
insert into etl.stage_batch as known (table_name, first_batch, last_batch, loaded_to, loaded_lsn, source_columns)
values (
    %(table)s, %(batch)s, %(batch)s,
    case when %(from)s::timestamptz = '-infinity' then %(to)s::timestamptz else '-infinity' end,
    %(lsn)s::pg_lsn, %(columns)s
)
on conflict (table_name) do update set
    last_batch = case when %(changed)s then excluded.last_batch else known.last_batch end,
    loaded_to = case
        when %(from)s::timestamptz <= known.loaded_to then greatest(known.loaded_to, %(to)s::timestamptz)
        else known.loaded_to
    end,
    loaded_lsn = coalesce(known.loaded_lsn, excluded.loaded_lsn)
"""
