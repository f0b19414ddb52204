"""What feeds brought, on its way from stage in PostgreSQL, which checked it, to the lake: the rows that changed.

    star/feed/<table>/batch=<newest>.csv

The file of a load is removed once the lake has its rows.
"""

from typing import Any

from pipeline.catalog import FEEDS
from pipeline.kernel import postgres
from pipeline.kernel.postgres import Cursor, identifiers, qualified, sql
from pipeline.lake.objects import Lake
from pipeline.lakehouse import declared, progress

FOLDER = "star/feed"


def export(cursor: Cursor, lake: Lake, feed: str, after: int) -> list[dict[str, Any]]:
    """Writes the rows that changed after a batch; returns the file as a plan names it, none if nothing changed."""
    table, batch = qualified(f"stage.{feed}"), progress.newest_of_feed(cursor, feed)
    if batch <= after:
        return []
    columns = [name for name in declared.tables()[f"stage.{feed}"].columns if name != "etl_batch"]
    key = f"{FOLDER}/{feed}/batch={batch}.csv"
    select = sql.SQL("select {} from {} where etl_batch > {} order by {}").format(
        identifiers(columns), table, sql.Literal(after), identifiers(FEEDS[feed])
    )
    with lake.upload(key) as sink:
        postgres.copy_out(cursor, select, sink)
    return [{"path": key, "batch": batch}]
