"""Every value that a column of a stage table was ever seen with, beside the table that keeps the newest row alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from pipeline.catalog import SourceTable
from pipeline.kernel.postgres import Cursor, identifiers, sql
from pipeline.source.columns import BATCH, Column, existing_columns, follow


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

    def follow(self, source: Sequence[Column]) -> list[sql.Composed]:
        """The statements that widen its columns to what the source has now. Raises SchemaDrift."""
        name = f"stage.{self.table.short}_version"
        return follow(name, existing_columns(self.cursor, name), source, add=False)

    def keep(self, seen: sql.Composable, batch: int) -> int:
        """Keeps each value in a table of source rows that was not known yet; returns how many."""
        self.cursor.execute(
            sql.SQL("insert into {} select {}, {} from {} on conflict do nothing").format(
                self._name, self._columns, sql.Literal(batch), seen
            )
        )
        return self.cursor.rowcount

    def keep_repaired(self, seen: sql.Composable, batch: int, end: str) -> int:
        """The same of a repair. A value that took the place of another without saying when holds from its `end` on."""
        self.cursor.execute(
            sql.SQL(
                "insert into {history} "
                "select {key}, case when known.{value} is null then seen.{watermark} else {end} end, "
                "seen.{value}, {batch} from {seen} as seen left join {history} as known using ({key}, {watermark}) "
                "where known.{value} is distinct from seen.{value} on conflict do nothing"
            ).format(
                history=self._name,
                key=identifiers(self.table.key),
                watermark=sql.Identifier(self.table.watermark),
                value=sql.Identifier(cast(str, self.table.history)),
                end=sql.Literal(end),
                batch=sql.Literal(batch),
                seen=seen,
            )
        )
        return self.cursor.rowcount

    @property
    def _name(self) -> sql.Composable:
        return sql.Identifier("stage", f"{self.table.short}_version")

    @property
    def _columns(self) -> sql.Composable:
        return identifiers((*self.table.key, self.table.watermark, cast(str, self.table.history)))
