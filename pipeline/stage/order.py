"""The one order of what a stage table takes in: extracts and repairs by their bounds, each once.

A repair holds rows as they were at its bound. So it wins over every extract up to its bound, and the extracts after it
win over the repair; of repairs with one bound the one that was made later wins. Windows of the log with one bound, and
repairs of that source, are in the order of their positions. etl.stage_load knows each load and its place, so this holds
for what is loaded late too: after a warehouse was restored, or where two share a lake.
"""

import datetime as dt
from collections.abc import Sequence

from pipeline.catalog import SourceTable
from pipeline.kernel import postgres
from pipeline.kernel.postgres import Cursor
from pipeline.source.instants import BEGINNING, instant
from pipeline.source.layout import REPAIRS, Metadata, date_in
from pipeline.source.log import lsn

AT = "%Y%m%dT%H%M%S%f"  # when a repair was made (UTC), in the name of its folder


def is_repair(found: Metadata) -> bool:
    """Whether it is a repair, not an extract."""
    return found.folder.startswith(f"{REPAIRS}/")


def place(found: Metadata) -> tuple[dt.datetime, int, dt.datetime]:
    """What orders them: the bound, the position in the log, then when a repair was made, which is after its extract."""
    return instant(found.to_watermark), lsn.number(_position(found)), instant(_made_at(found.folder))


def made_at(folder: str) -> dt.datetime:
    """When the repair in a folder was made."""
    return dt.datetime.strptime(f"{folder.rpartition('/at=')[2]}+0000", f"{AT}%z")


def note(cursor: Cursor, table: SourceTable, found: Metadata, batch: int) -> None:
    """Remembers that a load was made, as a batch. A replay is what counts from then on."""
    cursor.execute(
        NOTE,
        {
            "table": table.short,
            "folder": found.folder,
            "batch": batch,
            "bound": found.to_watermark,
            "made_at": _made_at(found.folder),
            "lsn": _position(found),
        },
    )


def later(cursor: Cursor, table: SourceTable, found: Metadata) -> list[int]:
    """The batches that loaded what comes after `found`; usually none. The batches of an earlier version are unknown."""
    values = (table.short, found.to_watermark, _position(found), _made_at(found.folder))
    return [batch for (batch,) in postgres.rows(cursor, LATER, values)]


def loaded(cursor: Cursor, table: SourceTable) -> set[str]:
    """The folders of all extracts and repairs that are loaded. Those of an early version are unknown."""
    query = "select folder from etl.stage_load where table_name = %s"
    return {folder for (folder,) in postgres.rows(cursor, query, (table.short,))}


def loaded_repairs(cursor: Cursor, table: SourceTable, folders: Sequence[str]) -> set[str]:
    """Those of some folders of repairs that are loaded."""
    made = [made_at(folder) for folder in folders]
    dates = [date_in(folder) for folder in folders]
    values = {"folders": list(folders), "made": made, "dates": dates, "short": table.short, "name": table.name}
    return {folder for (folder,) in postgres.rows(cursor, LOADED_REPAIRS, values)}


def _made_at(folder: str) -> str:
    return made_at(folder).isoformat() if folder.startswith(f"{REPAIRS}/") else BEGINNING


def _position(found: Metadata) -> str:
    return found.to_lsn or "0/0"


NOTE = """
insert into etl.stage_load (table_name, folder, batch, bound, made_at, lsn)
values (%(table)s, %(folder)s, %(batch)s, %(bound)s, %(made_at)s, %(lsn)s)
on conflict (table_name, folder) do update set batch = excluded.batch
"""
LATER = """
select batch from etl.stage_load where table_name = %s and (bound, lsn, made_at) > (%s, %s::pg_lsn, %s)
"""
# A version before this table loaded a repair at once and compared again: what it knew of is in etl.reconciliation.
LOADED_REPAIRS = """
select folder from unnest(%(folders)s::text[], %(made)s::timestamptz[], %(dates)s::date[]) as lying (folder, made, date)
where exists (select from etl.stage_load where table_name = %(short)s and stage_load.folder = lying.folder)
or exists (
    select from etl.reconciliation
    where reconciliation.table_name = %(name)s and load_date = lying.date and compared_ts >= lying.made
    and compared_ts < coalesce(
        (select min(loaded_ts) from etl.stage_load where table_name = %(short)s), 'infinity'
    )
)
"""
