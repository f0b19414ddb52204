"""What stage lacks of the extracts on the lake, in the one order, and the load of each; log_loads.py has the log's."""

import datetime as dt
import itertools
from collections.abc import Callable, Sequence

from pipeline.catalog import SourceTable
from pipeline.kernel import postgres
from pipeline.kernel.errors import BadExtract
from pipeline.kernel.postgres import Cursor
from pipeline.kernel.rejected import Allowance
from pipeline.lake.objects import Lake
from pipeline.source.instants import BEGINNING, before, instant
from pipeline.source.layout import Metadata, finished, folder, folders, metadata, metadata_in, missing, until_of
from pipeline.stage import merge, order, repairs
from pipeline.stage.changes import Changes
from pipeline.stage.drift import held_as


def unloaded(
    cursor: Cursor, lake: Lake, table: SourceTable, found: Metadata, made: Sequence[str], *, is_new: bool = True
) -> list[Metadata]:
    """The extracts and repairs that bring stage up to the end of the extract `found`, in their order.

    Of extracts it is `found`, unless it is not new and stage holds it, and before it those that were never loaded:
    usually `found` begins where stage ends, and nothing is looked for. Of repairs, whose folders are `made`, it is
    those up to the same bound from the first one on that was never loaded. Raises BadExtract when what lies between
    stage and `found` is not on the lake.
    """
    wanted = lacking_repairs(
        cursor, lake, table, made, lambda each: instant(each.to_watermark) <= instant(found.to_watermark)
    )
    if is_new or not _is_in_stage(cursor, table, found.to_watermark):
        wanted += _extracts(cursor, lake, table, found)
    return sorted(wanted, key=order.place)


def load(
    cursor: Cursor,
    lake: Lake,
    table: SourceTable,
    found: Metadata,
    allowance: Allowance | None,
    progress: Callable[[int], None] = lambda _: None,
) -> merge.Loaded:
    """Loads an extract or a repair. A rerun changes nothing. Raises the errors of `merge.Load`.

    Without `allowance` any number of rows may be rejected; of a repair that is always so.
    """
    if order.is_repair(found):
        return repairs.load(cursor, lake, table, found)
    one = Changes if found.is_of_log else merge.Load
    return one(cursor, lake, table, found, allowance, progress).run()


def all_of(lake: Lake, table: SourceTable) -> list[Metadata]:
    """All extracts and repairs of a table on the lake, in their order."""
    extracts = [metadata_in(lake, folder) for folder in finished(lake, table.name)]
    made = [repairs.metadata(lake, folder) for folder in repairs.folders(lake, table)]
    return sorted([each for each in extracts if each] + made, key=order.place)


def check_order(lake: Lake, table: SourceTable, found: Sequence[Metadata]) -> None:
    """Returns if these extracts and repairs, which are in their order, make a new stage table without a gap.

    Raises BadExtract if a window is missing, SchemaDrift if the types of one cannot follow those before it.
    """
    end, known = BEGINNING, dict[str, str]()
    for each in found:
        if not order.is_repair(each):
            if instant(each.from_watermark) > instant(end):
                raise _gap(lake, table, each, f"what was extracted before ends at {end}")
            end = max(end, each.to_watermark, key=instant)
        for column in each.columns:
            known[column.name] = held_as(table, f"stage.{table.short}", column, known.get(column.name, column.type))


def newest(lake: Lake, table: SourceTable, date: dt.date, untils: Sequence[str]) -> Metadata:
    """The newest extract of a table up to the last of the instants of a date under way. Raises BadExtract."""
    for day, until in before(lake, folders(table.name), date, untils):
        if found := metadata(lake, table.name, day, until):
            return found
    raise missing(lake, folder(table.name, date), "ExtractTable")


def note_nothing_new(cursor: Cursor, table: SourceTable, bound: str) -> None:
    """Has a stage table that holds all extracts hold all up to a bound, since which nothing was new."""
    query = "update etl.stage_batch set loaded_to = greatest(loaded_to, %s) where table_name = %s"
    cursor.execute(query, (bound, table.short))


def _extracts(cursor: Cursor, lake: Lake, table: SourceTable, found: Metadata) -> list[Metadata]:
    wanted = [found]
    if _is_in_stage(cursor, table, found.from_watermark):
        return wanted
    where, own = folders(table.name), until_of(found.folder)
    untils = [each for each in lake.untils(where, found.day) if own is None or each < own]
    for day, until in before(lake, where, found.day, untils):
        earlier = metadata(lake, table.name, day, until)
        if earlier is not None:
            if instant(earlier.to_watermark) < instant(wanted[0].from_watermark):
                break
            wanted.insert(0, earlier)
            if _is_in_stage(cursor, table, earlier.from_watermark):
                return wanted
    raise _gap(lake, table, wanted[0], "stage ends before")


def _gap(lake: Lake, table: SourceTable, found: Metadata, before: str) -> BadExtract:
    return BadExtract(
        f"load {table.name} of {found.date}",
        f"it begins at {found.from_watermark}, {before}, and no extract on {lake.url} lies between",
        "bring the missing folders back, or set LAKE_URL to an empty place to extract everything again",
    )


def _is_in_stage(cursor: Cursor, table: SourceTable, watermark: str) -> bool:
    """Whether stage has everything up to a watermark."""
    query = "select coalesce(max(loaded_to), '-infinity') >= %s from etl.stage_batch where table_name = %s"
    found: bool = postgres.value(cursor, query, (watermark, table.short))
    return found


def lacking_repairs(
    cursor: Cursor, lake: Lake, table: SourceTable, made: Sequence[str], is_wanted: Callable[[Metadata], bool]
) -> list[Metadata]:
    """Of the repairs in the folders `made` those that are wanted, from the first one on that was never loaded."""
    if not made:
        return []
    known = order.loaded_repairs(cursor, table, made)
    if known.issuperset(made):
        return []
    wanted = filter(is_wanted, sorted((repairs.metadata(lake, folder) for folder in made), key=order.place))
    # From the first missing one on: those after it looked at a history of values that it was not part of.
    return list(itertools.dropwhile(lambda each: each.folder in known, wanted))
