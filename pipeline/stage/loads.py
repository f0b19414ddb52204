"""What stage lacks of the lake, in the one order, and its load."""

import itertools
from collections.abc import Callable, Sequence

from pipeline.catalog import SourceTable
from pipeline.kernel import postgres
from pipeline.kernel.errors import BadExtract
from pipeline.kernel.postgres import Cursor
from pipeline.lake.objects import Lake
from pipeline.source.instants import instant
from pipeline.source.layout import Metadata, folders, metadata
from pipeline.stage import merge, order, repairs


def unloaded(cursor: Cursor, lake: Lake, table: SourceTable, found: Metadata, made: Sequence[str]) -> list[Metadata]:
    """The extracts and repairs that bring stage up to the end of the extract `found`, in their order.

    Of extracts it is `found`, and before it those that were never loaded: usually `found` begins where stage ends, and
    nothing is looked for. Of repairs, whose folders are `made`, it is those up to the same bound from the first one on
    that was never loaded.
    Raises BadExtract when what lies between stage and `found` is not on the lake.
    """
    return sorted(_extracts(cursor, lake, table, found) + _repairs(cursor, lake, table, found, made), key=order.place)


def load(
    cursor: Cursor,
    lake: Lake,
    table: SourceTable,
    found: Metadata,
    max_rejected: float,
    progress: Callable[[int], None] = lambda _: None,
) -> merge.Loaded:
    """Loads an extract or a repair. A rerun changes nothing. Raises what `merge.Load` raises."""
    if order.is_repair(found):
        return repairs.load(cursor, lake, table, found, max_rejected)
    return merge.Load(cursor, lake, table, found, max_rejected, progress).run()


def all_of(lake: Lake, table: SourceTable) -> list[Metadata]:
    """All extracts and repairs of a table on the lake, in their order."""
    extracts = [metadata(lake, table.name, date) for date in lake.dates(folders(table.name))]
    made = [repairs.metadata(lake, folder) for folder in repairs.folders(lake, table)]
    return sorted([each for each in extracts if each] + made, key=order.place)


def _extracts(cursor: Cursor, lake: Lake, table: SourceTable, found: Metadata) -> list[Metadata]:
    wanted = [found]
    if _begins_in_stage(cursor, table, found):
        return wanted
    for day in reversed(lake.dates(folders(table.name))):
        earlier = metadata(lake, table.name, day) if day < found.day else None
        if earlier is not None:
            if instant(earlier.to_watermark) < instant(wanted[0].from_watermark):
                break
            wanted.insert(0, earlier)
            if _begins_in_stage(cursor, table, earlier):
                return wanted
    raise BadExtract(
        f"load {table.name} of {found.date}",
        f"it begins at {wanted[0].from_watermark}, stage ends before, and no extract on {lake.url} lies between",
        "bring the missing folders back, or set LAKE_URL to an empty place to extract everything again",
    )


def _begins_in_stage(cursor: Cursor, table: SourceTable, found: Metadata) -> bool:
    query = "select coalesce(max(loaded_to), '-infinity') >= %s from etl.stage_batch where table_name = %s"
    begins: bool = postgres.value(cursor, query, (found.from_watermark, table.short))
    return begins


def _repairs(cursor: Cursor, lake: Lake, table: SourceTable, found: Metadata, made: Sequence[str]) -> list[Metadata]:
    if not made:
        return []
    known = order.loaded_repairs(cursor, table, made)
    if known.issuperset(made):
        return []
    found_in_order = sorted((repairs.metadata(lake, folder) for folder in made), key=order.place)
    up_to = [each for each in found_in_order if instant(each.to_watermark) <= instant(found.to_watermark)]
    # From the first missing one on: those after it looked at a history of values that it was not part of.
    return list(itertools.dropwhile(lambda each: each.folder in known, up_to))
