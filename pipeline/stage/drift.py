"""Stage follows the types of the source: what a column can hold of both the old and the new one.

A column that the warehouse reads becomes of a type that holds both as they are. One that it does not read must never
stop a load: where nothing else holds both, it becomes text.
"""

import logging
from collections.abc import Sequence

from pipeline.catalog import SourceTable
from pipeline.kernel import postgres
from pipeline.kernel.errors import SchemaDrift
from pipeline.kernel.postgres import Cursor, qualified, sql
from pipeline.source.columns import EXACT, TIMES, Column, declaration, fits, kind_of, parts

logger = logging.getLogger("luigi-interface")


def follow(
    table: SourceTable, name: str, stage: Sequence[Column], source: Sequence[Column], *, add: bool
) -> list[sql.Composed]:
    """The statements that let the stage table `name` hold what an extract of `table` has: other types, new columns.

    A column that the source no longer has stays, NULL in rows that come from now on. Raises SchemaDrift for a type that
    the warehouse cannot use.
    """
    known = {column.name: column.type for column in stage}
    statements = []
    for column in source:
        quoted = sql.Identifier(column.name)
        if column.name not in known:
            if add:
                statements.append(_alter(name, sql.SQL("add column {}").format(declaration(column))))
        elif (held := held_as(table, name, column, known[column.name])) != known[column.name]:
            change = sql.SQL("alter column {} type {} using {}::{}")
            statements.append(_alter(name, change.format(quoted, sql.SQL(held), quoted, sql.SQL(held))))
    return statements


def held_as(table: SourceTable, name: str, column: Column, known: str) -> str:
    """The type in which the stage table `name` holds a column's values of the type `known`, and those of the source."""
    if fits(column.type, known):
        return known
    if fits(known, column.type):
        return column.type
    kind, bases = kind_of(table, column.name), {parts(known)[0], parts(column.type)[0]}
    if bases <= set(EXACT):
        return "numeric"
    if kind and bases <= set(TIMES):  # not of a column that nobody reads: a date may be beyond all instants
        return "timestamp with time zone"
    if not kind or "text" in kind.types:
        return "text"
    # Only an extract of an earlier version has such a type: today it is refused before it is on the lake.
    raise SchemaDrift(
        f"load {name}",
        f"column {column.name} changed from {known} to {column.type}",
        "give the source a view of that name that casts it, delete the extract on the lake and run this again",
    )


def note_texts(cursor: Cursor, table: SourceTable, stage: Sequence[Column], source: Sequence[Column]) -> None:
    """Says of columns that are of another type in the source that stage keeps them as text: once of each type."""
    texts = {column.name for column in stage if column.type == "text"}
    for column in source:
        if column.name not in texts or fits(column.type, "text"):
            continue
        if postgres.rows(cursor, NOTE, (table.short, column.name, column.type)):
            logger.warning(
                "stage.%s keeps the column %r as text: it was of another type before it became %s in the source.",
                table.short,
                column.name,
                column.type,
            )


NOTE = """
insert into etl.text_column (table_name, column_name, source_type) values (%s, %s, %s)
on conflict do nothing returning true
"""


def _alter(name: str, change: sql.Composable) -> sql.Composed:
    return sql.SQL("alter table {} {}").format(qualified(name), change)
