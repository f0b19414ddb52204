"""Extracts, windows of the log and repairs that are loaded into the star on the lake alone: stage takes note of them.

Spark reads their rows itself. What PostgreSQL notes of them, order, bounds and positions, is the same as if it did.
"""

from pipeline.catalog import SourceTable
from pipeline.kernel import postgres
from pipeline.kernel.errors import ConfigError
from pipeline.kernel.postgres import Cursor
from pipeline.lake.objects import Lake
from pipeline.source.columns import are_usable
from pipeline.source.layout import Metadata
from pipeline.stage import order
from pipeline.stage.changes import Changes
from pipeline.stage.merge import Load, Loaded


class _Taken(Load):
    """An extract or a repair that is taken note of."""

    def run(self) -> Loaded:
        loaded = Loaded(self.found.rows, self.found.rows, 0, 0, has_other_columns=self._is_other())
        self._note(loaded)
        order.note(self.cursor, self.table, self.found, self.batch)
        return loaded

    def _is_other(self) -> bool:
        return False


class _TakenChanges(_Taken, Changes):
    """Changes from the log that are taken note of."""

    def _is_other(self) -> bool:
        """Whether they do not tell what became of the rows; the source is compared then."""
        return self._has_other_columns() or not are_usable(self.table, self.found.columns)


def note(cursor: Cursor, lake: Lake, table: SourceTable, found: Metadata) -> Loaded:
    """Takes note of an extract, of changes or of a repair. A rerun changes nothing.

    The caller holds the lock of the stage table. Raises ConfigError where stage in PostgreSQL has rows.
    """
    require(cursor, table, on_lake=True)
    loaded = (_TakenChanges if found.is_of_log else _Taken)(cursor, lake, table, found, None).run()
    cursor.execute("update etl.stage_batch set is_on_lake = true where table_name = %s", (table.short,))
    return loaded


def require(cursor: Cursor, table: SourceTable, *, on_lake: bool) -> None:
    """Returns where all that was loaded of a table so far is where the settings have it now. Raises ConfigError."""
    query = "select exists (select from etl.stage_batch where table_name = %s and is_on_lake <> %s)"
    if postgres.value(cursor, query, (table.short, on_lake)):
        here, there = ("on the lake alone", "PostgreSQL") if on_lake else ("in PostgreSQL", "the lake alone")
        raise ConfigError(
            f"load {table.name} for a star {here}",
            f"what was loaded before is on {there}",
            "set star back, or run RebuildWarehouse --replace, which builds all from the lake",
        )
