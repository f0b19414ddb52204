"""What a comparison found to differ, extracted again."""

import datetime as dt
import json

from pipeline.kernel import clock
from pipeline.kernel.config import Settings
from pipeline.kernel.postgres import Cursor
from pipeline.lake.objects import Lake
from pipeline.source.columns import read_columns
from pipeline.source.extract import Window, write
from pipeline.source.instants import BEGINNING
from pipeline.source.layout import REPAIRS, Metadata
from pipeline.stage import order, repairs
from pipeline.trust.reconcile import Difference, listed


def extract_again(
    source: Cursor,
    lake: Lake,
    settings: Settings,
    date: dt.date,
    found: Difference,
    bound: str,
    position: str | None = None,
) -> Metadata:
    """Writes the rows that differ, and the keys that vanished, to the lake as a repair.

    They are as at the `position` of the source's log, if its changes come from there.
    """
    at = clock.now()
    for where in repairs.folders(lake, found.table)[-1:]:
        # After the last one, even if its machine had another clock: they are loaded in this order.
        at = max(at, order.made_at(where) + dt.timedelta(microseconds=1))
    where = f"{REPAIRS}/{found.table.name}/date={date}/at={at.replace(tzinfo=None):{order.AT}}"
    keys = listed(found.table, {each.name: each for each in read_columns(source, found.table)}, found.to_extract)
    vanished = {repairs.DELETED_KEYS: json.dumps(found.vanished, default=str).encode()}
    window = Window(BEGINNING, bound, keys=keys, to_lsn=position)
    return write(source, lake, found.table, where, date, window, settings, more=vanished)
