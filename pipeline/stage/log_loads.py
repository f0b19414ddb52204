"""What stage lacks of the windows of the log on the lake, in the one order."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

from pipeline.catalog import SourceTable
from pipeline.kernel import postgres
from pipeline.kernel.errors import BadExtract
from pipeline.kernel.postgres import Cursor
from pipeline.lake.objects import Lake
from pipeline.source.layout import Metadata, missing
from pipeline.source.log import lsn, windows
from pipeline.source.log.windows import Window
from pipeline.stage import loads, order


class Unloaded(NamedTuple):
    """First copies, windows and repairs that bring stage up to a position, in their order; the source's clock there.

    `is_owed`: changes between two logs are in no window, and stage must be compared with the source.
    """

    extracts: list[Metadata]
    end: int
    clock: str
    is_owed: bool


def unloaded(
    cursor: Cursor, lake: Lake, table: SourceTable, up_to: int, newest: Callable[[], Metadata], made: Sequence[str]
) -> Unloaded:
    """What brings a stage table up to a position of the log: usually one window.

    `newest` finds the last extract of the table by its watermark, or its first copy; `made` are the folders of repairs.
    Raises BadExtract where something between stage and the position is not on the lake.
    """
    at = position(cursor, table)
    found: list[Metadata] = []
    if at is None:
        found = loads.unloaded(cursor, lake, table, newest(), [], is_new=False)
        at = next((lsn.number(each.to_lsn) for each in found if each.to_lsn), None)
    is_owed, clock = False, ""
    for end in _ends(lake, at or 0, up_to):
        window = _read(lake, end)
        if window.begin is None:  # the log begins here, again if it did before
            is_owed = True
        elif at is None or window.begin > at:
            raise _gap(lake, table, window, at)
        found += window.of(table.name)
        at, clock = end, window.to_watermark
    found += loads.lacking_repairs(
        cursor, lake, table, made, lambda each: lsn.number(each.to_lsn or "0/0") <= (at or 0)
    )
    return Unloaded(sorted(found, key=order.place), at or 0, clock, is_owed)


def all_of(lake: Lake, table: SourceTable) -> Unloaded:
    """All changes of a table on the lake."""
    found = [windows.read(lake, end) for end in windows.ends(lake)]
    if not found:
        return Unloaded([], 0, "", is_owed=False)
    changes = [change for window in found for change in window.of(table.name)]
    return Unloaded(changes, found[-1].end, found[-1].to_watermark, is_owed=False)


def check_chain(lake: Lake, table: SourceTable, found: Sequence[Window]) -> None:
    """Returns if each of some windows, in their order, begins where the one before ends. Raises BadExtract."""
    end: int | None = None
    for window in found:
        if window.begin is not None and window.begin != end:
            raise _gap(lake, table, window, end)
        end = window.end


def position(cursor: Cursor, table: SourceTable) -> int | None:
    """The position up to which stage has all changes; None: it was never loaded from the log."""
    query = "select loaded_lsn::text from etl.stage_batch where table_name = %s and loaded_lsn is not null"
    return next((lsn.number(found) for (found,) in postgres.rows(cursor, query, (table.short,))), None)


def note(cursor: Cursor, table: SourceTable, end: int, clock: str) -> None:
    """Notes that stage has all changes up to a position and the source's clock there; nothing where there is no log."""
    if end:
        cursor.execute(NOTE, {"table": table.short, "lsn": lsn.text(end), "clock": clock or None})


def _ends(lake: Lake, at: int, up_to: int) -> list[int]:
    """The ends of the windows after one position up to another one. Raises BadExtract where they do not reach that."""
    if at >= up_to:
        return []
    found = _known(lake, at)
    if not found or found[-1] < up_to:  # there may be new ones since this process looked
        _known.cache_clear()
        found = _known(lake, at)
    if up_to != lsn.LAST and (not found or found[-1] < up_to):
        raise missing(lake, windows.folder(up_to), "ExtractLog")
    return [end for end in found if end <= up_to]


# Most tables of a load stand at the same position, and read the same windows.
_known = lru_cache(maxsize=64)(windows.ends)
_read = lru_cache(maxsize=64)(windows.read)


def _gap(lake: Lake, table: SourceTable, window: Window, at: int | None) -> BadExtract:
    before = "and no first copy of the table is on the lake" if at is None else f"stage ends at {lsn.text(at)}"
    return BadExtract(
        f"load {table.name} of {window.date}",
        f"the window {window.folder} begins at {lsn.text(window.begin or 0)}, {before}, and nothing on {lake.url} lies "
        "between",
        "bring the missing folders back from the versions of the bucket, or set LAKE_URL and WAREHOUSE_URL to empty "
        "places to begin again",
    )


# Also of a table that nothing was new for. Its batch stays.
NOTE = """
update etl.stage_batch set
    loaded_lsn = greatest(loaded_lsn, %(lsn)s::pg_lsn),
    loaded_to = greatest(loaded_to, %(clock)s::timestamptz)
where table_name = %(table)s
"""
