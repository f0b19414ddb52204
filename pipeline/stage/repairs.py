"""Repairs on the lake: extracts of the rows in which source and stage differed, and the keys that the source lost.

repair/<schema>.<table>/date=YYYY-MM-DD/at=<when>/
the files of an extract, and deleted.json
"""

import json
import re
from dataclasses import replace
from typing import Any

from pipeline.catalog import SourceTable
from pipeline.kernel.postgres import Cursor, identifiers, qualified, sql
from pipeline.kernel.sql_files import statement
from pipeline.lake import forms, seals
from pipeline.lake.objects import Lake
from pipeline.source.layout import SUCCESS, Metadata, beside, metadata_in, missing
from pipeline.stage import merge

FOLDER = "repair"
DELETED_KEYS = "deleted.json"
OF_A_REPAIR = re.compile(rf"{FOLDER}/[a-z_.]+/date=\d{{4}}-\d\d-\d\d/at=\d{{8}}T\d{{12}}", re.ASCII)


def load_all(cursor: Cursor, lake: Lake, table: SourceTable, max_rejected: float) -> int:
    """Loads all repairs of a table on the lake, oldest first, for a stage table made again; returns their rows."""
    return sum(load(cursor, lake, table, where, max_rejected).rows for where in folders(lake, table))


def folders(lake: Lake, table: SourceTable) -> list[str]:
    """The folders of a table's finished repairs in the order in which they were made, whichever dates they were for."""
    found = [file.key for file in lake.objects(f"{FOLDER}/{table.name}")]
    finished = [key.removesuffix(f"/{SUCCESS}") for key in found if key.endswith(SUCCESS)]
    for where in finished:
        if not OF_A_REPAIR.fullmatch(where):
            raise seals.foreign(lake, f"{where}/{SUCCESS}", "no repair has such a folder", "delete that folder")
    return sorted(finished, key=lambda where: where.rpartition("/at=")[2])


def load(cursor: Cursor, lake: Lake, table: SourceTable, where: str, max_rejected: float) -> merge.Loaded:
    """Loads the repair in a folder of the lake. A rerun changes nothing. Raises what `Load` raises."""
    found = metadata_in(lake, where)
    if found is None:
        raise missing(lake, where, "ReconcileSource --repair")
    one = merge.Load(cursor, lake, table, found, max_rejected, repair=where)
    loaded = one.run()
    text = beside(lake, where, DELETED_KEYS) or b"[]"
    keys = seals.parse(lake, f"{where}/{DELETED_KEYS}", text, forms.deleted_keys(len(table.key)))
    deleted = mark_deleted(cursor, table, keys, found, one.batch) if keys else 0
    return replace(loaded, rows=loaded.rows + deleted, changed=loaded.changed + deleted)


def mark_deleted(cursor: Cursor, table: SourceTable, keys: list[list[Any]], found: Metadata, batch: int) -> int:
    """Marks rows of stage whose keys a repair did not find in the source; returns how many were not marked yet.

    A row that was written after the repair's window is there again, and is left alone.
    """
    cursor.execute(
        statement(
            "write/mark_deleted",
            stage=qualified(f"stage.{table.short}"),
            extracted=found.extracted_at,
            batch=batch,
            keys=json.dumps([dict(zip(table.key, key, strict=True)) for key in keys]),
            declared=sql.SQL(", ").join(
                sql.SQL("{} {}").format(sql.Identifier(column.name), sql.SQL(column.type))
                for column in found.columns
                if column.name in table.key
            ),
            stage_key=identifiers(table.key, "stage"),
            gone_key=identifiers(table.key, "gone"),
            watermark=sql.Identifier("stage", table.watermark),
            until=found.to_watermark,
        )
    )
    marked = cursor.rowcount
    if marked:
        cursor.execute("update etl.stage_batch set last_batch = %s where table_name = %s", (batch, table.short))
    return marked
