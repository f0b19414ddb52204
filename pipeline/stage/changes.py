"""The changes of a table in a window of the log, from the lake into its stage table.

The last change of each key wins, whatever its watermark says. So windows are loaded in their order, each once.
"""

import logging
from collections import Counter
from functools import cached_property

from pipeline.kernel import postgres, writes
from pipeline.kernel.errors import BadExtract
from pipeline.kernel.postgres import identifiers, sql
from pipeline.kernel.rejected import LONGEST
from pipeline.kernel.sql_files import statement
from pipeline.source import zones
from pipeline.source.columns import (
    BATCH,
    DELETED,
    Column,
    Fault,
    create_table,
    existing_columns,
    faults,
    fits,
    unusable,
)
from pipeline.source.log.pgoutput import COLUMNS as OF_LOG
from pipeline.stage import intake
from pipeline.stage.merge import Load, Loaded

logger = logging.getLogger("luigi-interface")

TYPES = dict(zip(OF_LOG, ("text", "pg_lsn", "timestamptz", "integer", "jsonb", "jsonb"), strict=True))


class Changes(Load):
    """The load of one file of changes, as `Load` is that of an extract; a replay changes nothing.

    Every change of a history column is kept, with the instant at which it was made. A change whose row cannot be kept
    goes to etl.rejected_row, and the row stays as it was before.
    """

    def _first(self) -> Loaded:
        raise BadExtract(
            f"load {self.lake.url}/{intake.data_of(self.found)}",
            f"there is no stage.{self.table.short} that it could change",
            "load the first copy of the table, which lies before it on the lake",
        )

    def _note(self, loaded: Loaded) -> None:
        self.cursor.execute(
            "update etl.stage_batch set last_batch = %s where table_name = %s and %s",
            (self.batch, self.table.short, loaded.changed > 0),
        )

    def _through_delta(self) -> Loaded:
        if because := self._unusable():
            data = f"{self.lake.url}/{intake.data_of(self.found)}"
            logger.warning("%s is not loaded, because %s; stage is compared with the source instead.", data, because)
            return Loaded(self.found.rows, 0, 0, 0, has_other_columns=True)
        self.cursor.execute(sql.SQL("drop table if exists {}").format(self.delta))
        columns = [*(Column(name, type_) for name, type_ in TYPES.items()), *self.found.columns]
        self.cursor.execute(create_table("delta", self.table, columns))
        self._copy(self.delta, intake.CSV)
        # A first copy may be as of a position within a window, and has the values of later changes.
        self.cursor.execute(sql.SQL(ALREADY_LOADED).format(self.delta), (self.table.short,))
        self._fill()
        reasons = self._reject() if intake.any_faulty(self.cursor, self.delta, self._faults) else Counter[str]()
        if self.allowance:
            intake.check_rejected(self.table, self.found, reasons, self.allowance)
        seen = self._history.keep_changes(self.delta, self.stage, self.batch, self.later) if self._history else 0
        changed = self._merge() + self._mark_gone()
        other = self._has_other_columns()
        return Loaded(self.found.rows, max(changed, seen), reasons.total(), self.found.bytes, has_other_columns=other)

    def _unusable(self) -> str:
        """Why nothing of the file can be loaded, whatever its rows are: the log goes on with any columns.

        Empty where all can be used.
        """
        names = intake.header(self.found)
        if missing := [name for name in self.table.required if name not in names]:
            return f"its column {missing[0]} is not there"
        if taken := [name for name in names if name in (BATCH, DELETED) or names.count(name) > 1]:
            return f"its column {taken[0]} is called like a column of stage's or the log's own"
        in_stage = {column.name: column.type for column in existing_columns(self.cursor, f"stage.{self.table.short}")}
        for column in self.found.columns:
            if because := unusable(self.table, column):
                return because
            # Rows are looked up in stage by their key.
            if column.name in self.table.key and not fits(column.type, in_stage[column.name]):
                return f"its column {column.name} is {column.type}, and stage keeps it as {in_stage[column.name]}"
        return ""

    def _fill(self) -> None:
        """Turns what the log says into rows: its times into UTC, truncates into deletions, and all values filled in."""
        for column in self.found.columns:
            value = zones.in_utc(self.table, column, self.found.zone)
            if not isinstance(value, sql.Identifier):
                change = sql.SQL("update {} set {} = {}").format(self.delta, sql.Identifier(column.name), value)
                self.cursor.execute(change)
        marks = "select coalesce(bool_or(etl_op = 'T'), false), coalesce(bool_or(etl_unchanged is not null), false)"
        [(is_truncated, is_partial)] = postgres.rows(self.cursor, sql.SQL(f"{marks} from {{}}").format(self.delta))
        if is_truncated:
            self.cursor.execute(statement("write/truncated", **self._relations))
        if is_partial:
            self._fill_unchanged()

    def _fill_unchanged(self) -> None:
        key = identifiers(self.table.key, "delta")
        forgotten = sql.SQL(FORGOTTEN).format(delta=self.delta, key=key)
        self.cursor.execute(forgotten, {"none": NONE, "source": self.table.name, "longest": LONGEST})
        in_stage = {column.name: column.type for column in existing_columns(self.cursor, f"stage.{self.table.short}")}
        names = postgres.rows(
            self.cursor,
            sql.SQL("select distinct jsonb_array_elements_text(etl_unchanged) from {}").format(self.delta),
        )
        types = {column.name: column.type for column in self.found.columns}
        old_key = sql.SQL(", ").join(
            sql.SQL("(moved.etl_old_key ->> {})::{}").format(sql.Literal(place), sql.SQL(types[name]))
            for place, name in enumerate(self.table.key)
        )
        for (name,) in names:
            # What stage keeps as another type is left unknown, and compared with the source.
            if name not in types or in_stage.get(name) != types[name]:
                continue
            of_column = {**self._relations, "name": name, "changed": sql.Identifier(name)}
            # The value of a changed key may come from a row that is filled itself, and be that of rows after it.
            while True:
                self.cursor.execute(statement("write/unchanged_value", **of_column))
                keys = {"known_key": identifiers(self.table.key, "known"), "old_key": old_key}
                self.cursor.execute(statement("write/moved_value", **of_column, **keys))
                if not self.cursor.rowcount:
                    break

    @property
    def _relations(self) -> dict[str, sql.Composable]:
        return {"delta": self.delta, "stage": self.stage, "key": identifiers(self.table.key)}

    @property
    def _columns(self) -> list[Column]:
        named = (column for column in self.found.columns if column.name not in (BATCH, DELETED))
        return [column for column in named if not unusable(self.table, column)]

    @cached_property
    def _faults(self) -> list[Fault]:
        unknown = "a value that did not change is not in the log, and stage has no row to take it from"
        found = [(sql.SQL("etl_unchanged is not null"), unknown), *faults(self.table, self.found.columns)]
        is_row = sql.SQL("etl_op in ('I', 'U') and ({})")
        return [(is_row.format(fault), words) for fault, words in found]

    def _has_rivals(self) -> bool:
        """Never: the log has an order."""
        return False

    def _merge(self) -> int:
        names = [column.name for column in self.found.columns]
        last = statement(
            "work/stage/last_change",
            key=identifiers(self.table.key),
            columns=identifiers(names),
            batch=self.batch,
            delta=self.delta,
        )
        return writes.merge(
            self.cursor,
            f"stage.{self.table.short}",
            self.table.key,
            [*names, BATCH, DELETED],
            last,
            ignored=(BATCH,),
            guard=writes.not_of("old", self.later),
        )

    def _mark_gone(self) -> int:
        """Marks the rows that the window deletes and does not bring; returns how many."""
        self.cursor.execute(
            statement(
                "write/mark_gone",
                **self._relations,
                stage_key=identifiers(self.table.key, "stage"),
                gone_key=identifiers(self.table.key, "gone"),
                batch=self.batch,
                later=self.later,
            )
        )
        return self.cursor.rowcount

    def _has_other_columns(self) -> bool:
        """Whether the source's table has other columns than in the changes that were loaded before."""
        known = postgres.value(
            self.cursor, "select source_columns from etl.stage_batch where table_name = %s", (self.table.short,)
        )
        self.cursor.execute(
            "update etl.stage_batch set source_columns = %s where table_name = %s",
            (self._source_columns, self.table.short),
        )
        return known not in (None, self._source_columns)


# In place of the name of a column: of a row that was rejected, stage has not the values that the log does not repeat.
NONE = ""
FORGOTTEN = """
update {delta} as delta set etl_unchanged = etl_unchanged || to_jsonb(%(none)s::text)
where etl_unchanged is not null and exists (
    select from etl.rejected_row as rejected
    where rejected.source = %(source)s and rejected.row_key = left(json_build_array({key})::text, %(longest)s)
)
"""
ALREADY_LOADED = """
delete from {} where etl_lsn < (select loaded_lsn from etl.stage_batch where table_name = %s)
"""
