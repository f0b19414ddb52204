"""What the source says of its tables, and which columns the warehouse needs of it that it does not have."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from pipeline.book import described
from pipeline.book.described import Relation
from pipeline.catalog import SOURCE_TABLES, USER_PURCHASE, SourceTable
from pipeline.kernel import postgres
from pipeline.kernel.config import Settings
from pipeline.kernel.errors import OceanError
from pipeline.lake.objects import lake
from pipeline.lineage.graph import Column
from pipeline.source import layout

EXTRACTED = {*SOURCE_TABLES, USER_PURCHASE.name}
SCHEMAS = tuple({table.name.partition(".")[0]: None for table in (*SOURCE_TABLES.values(), USER_PURCHASE)})


@dataclass(frozen=True)
class Source:
    """The source's tables as far as it tells, the columns that it lacks, and where that was looked up."""

    relations: dict[str, Relation]
    missing: frozenset[Column]
    looked_at: str


def read(settings: Settings, may_show: Callable[[str, str], bool]) -> Source:
    """Asks the source, or else the newest metadata on the lake.

    The source may not answer. The lake tells less: the extract of a table that lacks a column fails, and leaves none.
    """
    with suppress(OceanError):
        if settings.operational_url:
            with postgres.session(settings.operational_url, "operational", purpose="book") as cursor:
                relations = described.relations(cursor, SCHEMAS, may_show)
            relations = {name: each for name, each in relations.items() if name in EXTRACTED}
            known = {name: {column.name for column in each.columns} for name, each in relations.items()}
            return Source(relations, _missing({name: known.get(name, set()) for name in SOURCE_TABLES}), "the source")
    with suppress(OceanError):
        extracted = {name: _extracted(table) for name, table in SOURCE_TABLES.items()}
        return Source({}, _missing({name: names for name, names in extracted.items() if names}), "the newest extracts")
    return Source({}, frozenset(), "nothing, since neither the source nor the lake answers")


def _missing(found: dict[str, set[str]]) -> frozenset[Column]:
    return frozenset(
        Column(name, column)
        for name, names in found.items()
        for column in SOURCE_TABLES[name].columns
        if column not in names
    )


def _extracted(table: SourceTable) -> set[str]:
    newest = max(layout.finished(lake(), table.name), key=layout.place_of, default=None)
    metadata = layout.metadata_in(lake(), newest) if newest else None
    return {column.name for column in metadata.columns} if metadata else set()
