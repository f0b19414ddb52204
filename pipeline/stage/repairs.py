"""Repairs on the lake: extracts of the rows in which source and stage differed, and the keys that the source lost.

repair/<schema>.<table>/date=YYYY-MM-DD/at=<when>/
the files of an extract, and deleted.json
"""

import json
import re
from dataclasses import replace
from typing import Any

from pipeline.catalog import SourceTable
from pipeline.kernel.postgres import Cursor, identifiers, sql
from pipeline.kernel.sql_files import statement
from pipeline.lake import forms, seals
from pipeline.lake.objects import Lake
from pipeline.source.layout import REPAIRS, SUCCESS, Metadata, beside, metadata_in, missing
from pipeline.stage import merge, order

DELETED_KEYS = "deleted.json"
OF_A_REPAIR = re.compile(rf"{REPAIRS}/[a-z_.]+/date=\d{{4}}-\d\d-\d\d/at=\d{{8}}T\d{{12}}", re.ASCII)


def folders(lake: Lake, table: SourceTable) -> list[str]:
    """The folders of a table's finished repairs in the order in which they were made, whichever dates they were for."""
    return all_folders(lake, f"{REPAIRS}/{table.name}").get(table.name, [])


def all_folders(lake: Lake, where: str = REPAIRS) -> dict[str, list[str]]:
    """The same of all tables below a folder, by table: one listing."""
    found = [file.key for file in lake.objects(where)]
    tables: dict[str, list[str]] = {}
    for folder in (key.removesuffix(f"/{SUCCESS}") for key in found if key.endswith(f"/{SUCCESS}")):
        if not OF_A_REPAIR.fullmatch(folder):
            raise seals.foreign(lake, f"{folder}/{SUCCESS}", "no repair has such a folder", "delete that folder")
        tables.setdefault(folder.split("/")[1], []).append(folder)
    return {table: sorted(made, key=order.made_at) for table, made in tables.items()}


def metadata(lake: Lake, folder: str) -> Metadata:
    """What the repair in a folder says of itself. Raises BadExtract."""
    found = metadata_in(lake, folder)
    if found is None:
        raise missing(lake, folder, "ReconcileSource --repair")
    return found


def load(cursor: Cursor, lake: Lake, table: SourceTable, found: Metadata) -> merge.Loaded:
    """Loads a repair. A rerun changes nothing. Raises what `merge.Load` raises.

    However many of its rows cannot be kept: it has those alone that differ, and would stop all later loads.
    """
    one = merge.Load(cursor, lake, table, found, allowance=None)
    loaded = one.run()
    keys = deleted_keys(lake, table, found)
    deleted = mark_deleted(one, keys) if keys else 0
    return replace(loaded, rows=loaded.rows + deleted, changed=loaded.changed + deleted)


def deleted_keys(lake: Lake, table: SourceTable, found: Metadata) -> list[list[Any]]:
    """The keys that a repair did not find in the source. Raises BadExtract."""
    text = beside(lake, found.folder, DELETED_KEYS) or b"[]"
    key = f"{found.folder}/{DELETED_KEYS}"
    keys: list[list[Any]] = seals.parse(lake, key, text, forms.deleted_keys(len(table.key)))
    return keys


def mark_deleted(load: merge.Load, keys: list[list[Any]]) -> int:
    """Marks rows of stage whose keys a repair did not find in the source; returns how many were not marked yet.

    A row that was written after the repair's window is there again, and is left alone.
    """
    cursor, table, found = load.cursor, load.table, load.found
    cursor.execute(
        statement(
            "write/mark_deleted",
            stage=load.stage,
            extracted=found.extracted_at,
            batch=load.batch,
            keys=json.dumps([dict(zip(table.key, key, strict=True)) for key in keys]),
            declared=sql.SQL(", ").join(
                sql.SQL("{} {}").format(sql.Identifier(column.name), sql.SQL(column.type))
                for column in found.columns
                if column.name in table.key
            ),
            stage_key=identifiers(table.key, "stage"),
            gone_key=identifiers(table.key, "gone"),
            watermark=sql.Identifier("stage", table.watermark),
            # Of a source whose watermarks say nothing the batches after the repair are known.
            until="infinity" if found.to_lsn else found.to_watermark,
            later=load.later if found.to_lsn else [],
        )
    )
    marked = cursor.rowcount
    if marked:
        cursor.execute("update etl.stage_batch set last_batch = %s where table_name = %s", (load.batch, table.short))
    return marked
