"""The number of the newest batch that a table of dwh has read of each stage table, in etl.watermark."""

from collections.abc import Mapping, Sequence

from pipeline.kernel import locks, postgres
from pipeline.kernel.postgres import Cursor

BEGINNING = 0  # before every batch
READ = """
select source, coalesce(watermark, %s), last_batch from unnest(%s) as source
left join etl.watermark on watermark.table_name = %s || '.' || source
left join etl.stage_batch on stage_batch.table_name = source
"""
NOTE = """
insert into etl.watermark values (%s, %s)
on conflict (table_name) do update set watermark = excluded.watermark
"""


def read(cursor: Cursor, target: str, sources: Sequence[str]) -> tuple[dict[str, int], dict[str, int]]:
    """Per stage table: the newest batch that `target`, a table of dwh, has read, and the newest batch.

    Ask before the rows are read: a batch that comes between is then read now and once more later.
    """
    found = postgres.rows(cursor, READ, (BEGINNING, list(sources), target))
    return {name: after for name, after, _ in found}, {name: newest or after for name, after, newest in found}


def note(cursor: Cursor, target: str, newest: Mapping[str, int]) -> None:
    """Notes that `target` has read its stage tables up to these batches."""
    for source, batch in newest.items():
        cursor.execute(NOTE, (f"{target}.{source}", batch))


def forget(cursor: Cursor, *targets: str) -> None:
    """Makes the next load of these tables of dwh read all of their stage tables again.

    Waits for a load of each, which would write back how far it has read, and keeps others out. Names go in the order of
    locks: dim_product, then facts as in the catalogue.
    """
    for target in targets:
        locks.lock_tables(cursor, f"dwh.{target}")
        cursor.execute("delete from etl.watermark where split_part(table_name, '.', 1) = %s", (target,))
