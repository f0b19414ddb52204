"""Times that the source writes without a time zone: setting source_zone says which zone they are of.

An extract hands them out in UTC, which is how the warehouse reads them. The ends of windows go the other way, so that
an index on the watermark still serves.
"""

from collections.abc import Iterable

from pipeline.catalog import SourceTable
from pipeline.kernel.postgres import sql
from pipeline.source.columns import Column
from pipeline.source.instants import BEGINNING
from pipeline.source.layout import Metadata


def in_utc(table: SourceTable, column: Column, zone: str) -> sql.Composable:
    """A column of the source, as the warehouse has it."""
    name = sql.Identifier(column.name)
    if not is_zoned(table, column, zone):
        return name
    return sql.SQL("({} at time zone {}) at time zone 'UTC'").format(name, sql.Literal(zone))


def is_zoned(table: SourceTable, column: Column, zone: str) -> bool:
    """Whether the values of a column are times of a zone that do not say so."""
    return bool(zone) and _is_zoneless(table, column)


def end(table: SourceTable, columns: Iterable[Column], instant: str | None, zone: str) -> sql.Composable:
    """An instant, to be compared with the table's watermark.

    Where the clocks are set back within a day, local times come twice. Then the instant is as early as the change makes
    it: some rows come with two windows, and none with no window.
    """
    if not zone or not any(column.name == table.watermark and _is_zoneless(table, column) for column in columns):
        return sql.Literal(instant)
    return sql.SQL(
        "least({at}::timestamptz at time zone {zone}, "
        "({at}::timestamptz + interval '24 hours') at time zone {zone} - interval '24 hours')"
    ).format(at=sql.Literal(instant), zone=sql.Literal(zone))


def warning(table: SourceTable, found: Metadata, zone: str) -> str:
    """What to say of a table's first extract where nobody said of which zone its watermark is; else empty."""
    is_first = found.from_watermark == BEGINNING
    if (
        zone
        or not is_first
        or not any(each.name == table.watermark and _is_zoneless(table, each) for each in found.columns)
    ):
        return ""
    return (
        f"{table.watermark} of {table.name} has no time zone and is taken for UTC. If it is another zone's time, rows "
        "are missed until the next comparison: set source_zone in luigi.cfg (OCEAN_SOURCE_ZONE) before you load more."
    )


def _is_zoneless(table: SourceTable, column: Column) -> bool:
    """Of the contract's instants; purchases, which have no key, are read by the day as the source writes it."""
    is_instant = bool(table.key) and column.name in table.columns and column.name.endswith("_ts")
    return is_instant and column.type.startswith("timestamp") and column.type.endswith("without time zone")
