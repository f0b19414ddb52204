"""What stage on the lake is made of: the extracts and repairs that PostgreSQL's stage took in, in the same order."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from pipeline.catalog import SourceTable
from pipeline.kernel.rejected import Allowance
from pipeline.lake.objects import Lake
from pipeline.source import zones
from pipeline.source.columns import are_of, are_usable
from pipeline.source.layout import LOG, SUCCESS, Metadata, metadata_in, missing
from pipeline.source.log import lsn, windows
from pipeline.source.log.pgoutput import COLUMNS as OF_LOG
from pipeline.stage import order, repairs

AT_ONCE = 8


def files(
    lake: Lake, table: SourceTable, wanted: Sequence[str], allowance: Allowance | None = None
) -> dict[str, dict[str, Any]]:
    """What a job is told of the files in some folders. Raises BadExtract.

    Of an extract more rows than `allowance` must not be rejected; without one they may be any number.
    """
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = dict(zip(wanted, pool.map(lambda folder: _file(lake, table, folder), wanted), strict=True))
    for file in found.values():
        is_limited = allowance and file["kind"] != "repair"
        file["most_rejected"] = allowance.most(file["rows"]) if allowance and is_limited else None
    return found


def _file(lake: Lake, table: SourceTable, folder: str) -> dict[str, Any]:
    if folder.startswith(f"{LOG}/"):
        return _of_window(lake, table, folder)
    found = metadata_in(lake, folder)
    if found is None:
        raise missing(lake, folder, f"ExtractTable, or bring its {SUCCESS} back,")
    is_repair = order.is_repair(found)
    return {
        "kind": "repair" if is_repair else "extract",
        "date": str(found.date),
        "rows": found.rows,
        "parts": [_part(table, found)],
        "lsn": lsn.number(found.to_lsn) if found.to_lsn and not is_repair else 0,
        **(_of_repair(lake, table, found) if is_repair else {}),
    }


def _of_window(lake: Lake, table: SourceTable, folder: str) -> dict[str, Any]:
    """The changes of a table in a window, without those whose columns stage cannot use: there is a repair of these."""
    window = windows.read(lake, int(folder.rpartition("=")[2], 16))
    usable = [
        found for found in window.of(table.name) if are_usable(table, found.columns) and are_of(table, found.columns)
    ]
    return {
        "kind": "log",
        "date": str(window.date),
        "rows": sum(found.rows for found in usable),
        "parts": [_part(table, found, OF_LOG) for found in usable],
        "lsn": window.end,
    }


def _part(table: SourceTable, found: Metadata, before: Sequence[str] = ()) -> dict[str, Any]:
    return {
        "data": found.data,
        "columns": [*before, *(column.name for column in found.columns)],
        "rows": found.rows,
        "sha256": found.sha256,
        # Extracts hand times out in UTC.
        "zoned": {
            column.name: found.zone for column in found.columns if before and zones.is_zoned(table, column, found.zone)
        },
    }


def _of_repair(lake: Lake, table: SourceTable, found: Metadata) -> dict[str, Any]:
    return {
        "deleted": repairs.deleted_keys(lake, table, found),
        "extracted_at": found.extracted_at,
        "bound": found.to_watermark,
        # Of a source whose watermarks say nothing no row is newer than the repair.
        "until": None if found.to_lsn else found.to_watermark,
    }
