"""The tables of the graph with their columns and keys, as the catalogue, the feeds and warehouse/ddl have them."""

import re
from dataclasses import dataclass

from pipeline.catalog import DIMENSIONS, FEEDS, SOURCE_TABLES, USER_PURCHASE, VENDOR_FEEDS, SourceTable
from pipeline.feeds.staging import SCORE_COLUMNS
from pipeline.kernel import new_columns, sql_files
from pipeline.lineage.relations import Relation, table
from pipeline.source.columns import BATCH, DELETED
from pipeline.vendors import stage_table

KEY = re.compile(r"^    (?:constraint \w+ )?(?:primary key|unique) \(([\w, ]+)\)", re.MULTILINE)
KEY_COLUMN = re.compile(r"\b(?:primary key|unique)\b")
DRAWN = re.compile(r"\bgenerated .*\bas identity\b")


def tables() -> dict[str, Relation]:
    """All tables by their names, without the views of the mart."""
    found = {}
    for source in (*SOURCE_TABLES.values(), USER_PURCHASE):
        # A table without a key is extracted by its watermark.
        keys, identity = [source.key] if source.key else [], source.key or (source.watermark,)
        found[source.name] = table(source.name, source.columns, keys, identity=identity)
    for name in FEEDS:
        found[f"feed.{name}"] = table(f"feed.{name}", feed_columns(name))
    for source in SOURCE_TABLES.values():
        found |= _of_stage(source)
    for text in declarations().values():
        found |= _declared(text)
    return found


def declarations() -> dict[str, str]:
    """The DDL by its file: that of warehouse/ddl, and what the declarations of feeds make."""
    of_feeds = {
        f"pipeline/vendors/{name}/contract.yaml": stage_table.ddl(feed)
        for name, feed in VENDOR_FEEDS.items()
        if not feed.made_key
    }
    return {f"warehouse/{path}.sql": sql_files.read(path) for path in sql_files.files("ddl")} | of_feeds


def feed_columns(name: str) -> tuple[str, ...]:
    """What a vendor or service sends."""
    return tuple(field.name for field in VENDOR_FEEDS[name].fields) if name in VENDOR_FEEDS else SCORE_COLUMNS


def history(source: SourceTable) -> str:
    """The table of all values that a column of a stage table had."""
    return f"stage.{source.short}_version"


@dataclass(frozen=True)
class Drawn:
    """A column whose values are drawn as rows come, and the file that says so."""

    table: str
    column: str
    where: str


def drawn() -> list[Drawn]:
    """The columns whose values are drawn; a table has one at most."""
    return [
        Drawn(name, column, where)
        for where, text in declarations().items()
        for name, columns in new_columns.declared(text).items()
        for column, definition in columns.items()
        if DRAWN.search(definition)
    ]


def _of_stage(source: SourceTable) -> dict[str, Relation]:
    name, own = f"stage.{source.short}", (BATCH, DELETED)
    found = {name: table(name, (*source.columns, *own), [source.key])}
    if source.history:
        key = (*source.key, source.watermark)
        found[history(source)] = table(history(source), (*key, source.history, BATCH), [key])
    return found


def _declared(text: str) -> dict[str, Relation]:
    bodies = dict(new_columns.TABLE.findall(text))
    return {
        name: table(name, columns, _keys(name, columns, bodies[name]), found_by=_unknown_member(name))
        for name, columns in new_columns.declared(text).items()
    }


def _keys(table: str, columns: dict[str, str], body: str) -> list[tuple[str, ...]]:
    """The primary key and other unique columns of a table, in their order."""
    of_columns = [(name,) for name, definition in columns.items() if KEY_COLUMN.search(definition)]
    found = [*of_columns, *(tuple(listed.split(", ")) for listed in KEY.findall(body))]
    # The mart's note of how a member was has one row of each, whichever of its keys that table has for its own.
    members = [dimension.surrogate for dimension in DIMENSIONS.values() if table == f"mart.{dimension.before}"]
    return [*found, *((name,) for name in members if name in columns)]


def _unknown_member(name: str) -> tuple[str, ...]:
    """The key by which each fact finds a row of a dimension: one that waits for its row has that of the unknown."""
    dimension = DIMENSIONS.get(name.removeprefix("dwh."))
    return (dimension.surrogate,) if dimension and name.startswith("dwh.") else ()
