"""Every value that a column of a stage table was ever seen with, beside the table that keeps the newest row alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from pipeline.catalog import SourceTable
from pipeline.kernel import writes
from pipeline.kernel.postgres import Cursor, identifiers, sql
from pipeline.kernel.sql_files import statement
from pipeline.source.columns import BATCH, Column, existing_columns
from pipeline.stage.drift import follow


@dataclass(frozen=True)
class History:
    """The table `stage.<table>_version`: key, instant from which the value was seen, value, batch."""

    cursor: Cursor
    table: SourceTable

    def create(self, stage: sql.Composable, batch: int) -> None:
        """Makes the table, empty, with the types of stage."""
        self.cursor.execute(
            sql.SQL("create table {} as select {}, {} as {} from {} with no data").format(
                self._name, self._columns, sql.Literal(batch), sql.Identifier(BATCH), stage
            )
        )
        key = identifiers((*self.table.key, self.table.watermark))
        self.cursor.execute(sql.SQL("alter table {} add primary key ({})").format(self._name, key))
        self.cursor.execute("select etl.describe_stage(%s)", (f"stage.{self.table.short}_version",))

    def follow(self, source: Sequence[Column]) -> list[sql.Composed]:
        """The statements that let its columns hold what the source has now. Raises SchemaDrift."""
        name = f"stage.{self.table.short}_version"
        return follow(self.table, name, existing_columns(self.cursor, name), source, add=False)

    def keep(self, seen: sql.Composable, batch: int, later: list[int]) -> int:
        """Keeps each value in a table of source rows; returns how many are new.

        The value that a batch in `later` brought for the same instant stays.
        """
        values = statement("work/stage/seen_values", columns=self._columns, batch=batch, seen=seen)
        return self._merge(values, later)

    def keep_repaired(self, seen: sql.Composable, batch: int, later: list[int], end: str) -> int:
        """As `keep`, of a repair. A value that replaced another without saying when holds from its `end` on."""
        repaired = statement(
            "work/stage/repaired_values",
            history=self._name,
            key=identifiers(self.table.key),
            watermark=sql.Identifier(self.table.watermark),
            value=sql.Identifier(cast(str, self.table.history)),
            until=end,
            batch=batch,
            later=later,
            seen=seen,
        )
        return self._merge(repaired, later)

    def keep_changes(self, delta: sql.Composable, stage: sql.Composable, batch: int, later: list[int]) -> int:
        """As `keep`, of changes from the log that stage has not taken in yet: each from the instant of its change."""
        values = statement(
            "work/stage/logged_values",
            key=identifiers(self.table.key),
            watermark=sql.Identifier(self.table.watermark),
            value=sql.Identifier(cast(str, self.table.history)),
            batch=batch,
            delta=delta,
            stage=stage,
        )
        return self._merge(values, later)

    def _merge(self, values: sql.Composable, later: list[int]) -> int:
        key, value = (*self.table.key, self.table.watermark), cast(str, self.table.history)
        name, guard = f"stage.{self.table.short}_version", writes.not_of("old", later)
        return writes.merge(self.cursor, name, key, (*key, value, BATCH), values, ignored=(BATCH,), guard=guard)

    @property
    def _name(self) -> sql.Composable:
        return sql.Identifier("stage", f"{self.table.short}_version")

    @property
    def _columns(self) -> sql.Composable:
        return identifiers((*self.table.key, self.table.watermark, cast(str, self.table.history)))
