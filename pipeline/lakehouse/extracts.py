"""What stage on the lake is made of: the extracts and repairs that PostgreSQL's stage took in, in the same order."""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from pipeline.catalog import SourceTable
from pipeline.lake.objects import Lake
from pipeline.source.layout import SUCCESS, Metadata, metadata_in, missing
from pipeline.stage import order, repairs

AT_ONCE = 8


def files(lake: Lake, table: SourceTable, wanted: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What a job is told of the files in some folders. Raises BadExtract."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip(wanted, pool.map(lambda folder: _file(lake, table, folder), wanted), strict=True))


def _file(lake: Lake, table: SourceTable, folder: str) -> dict[str, Any]:
    found = metadata_in(lake, folder)
    if found is None:
        raise missing(lake, folder, f"ExtractTable, or bring its {SUCCESS} back,")
    is_repair = order.is_repair(found)
    return {
        "data": found.data,
        "columns": [column.name for column in found.columns],
        "rows": found.rows,
        "bytes": found.bytes,
        "sha256": found.sha256,
        "is_repair": is_repair,
        **(_of_repair(lake, table, found) if is_repair else {}),
    }


def _of_repair(lake: Lake, table: SourceTable, found: Metadata) -> dict[str, Any]:
    return {
        "deleted": json.loads(json.dumps(repairs.deleted_keys(lake, table, found))),
        "extracted_at": found.extracted_at,
        "bound": found.to_watermark,
        # Of a source whose watermarks say nothing no row is newer than the repair.
        "until": None if found.to_lsn else found.to_watermark,
    }
