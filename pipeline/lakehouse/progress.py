"""How far the star on the lake is, beside what stage has: known in PostgreSQL, so that nobody has to ask the lake."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.catalog import FEEDS, SOURCE_TABLES, SourceTable
from pipeline.kernel import postgres
from pipeline.kernel.postgres import Cursor, qualified, sql


@dataclass(frozen=True)
class Loaded:
    """How far a table on the lake is since the last finished job: so many folders, the newest batch of a feed."""

    folders: int = 0
    sha256: str = ""
    batch: int = -1


def is_current(cursor: Cursor) -> bool:
    """Whether the lake has all that stage has."""
    so_far = known(cursor)
    return all(
        digest(folders(cursor, table)) == so_far.get(table.short, Loaded()).sha256 for table in SOURCE_TABLES.values()
    ) and all(newest_of_feed(cursor, name) <= so_far.get(name, Loaded()).batch for name in FEEDS)


def lacking(found: Sequence[str], so_far: Loaded) -> list[str]:
    """The folders that a table on the lake has not taken in; all of them if one came late, before others."""
    is_prefix = so_far.sha256 == digest(found[: so_far.folders])
    return list(found[so_far.folders :] if is_prefix else found)


def digest(found: Sequence[str]) -> str:
    """A hash of folders in their order, as the job makes it."""
    return hashlib.sha256("\n".join(found).encode()).hexdigest()


def folders(cursor: Cursor, table: SourceTable) -> list[str]:
    """The folders of all extracts, windows and repairs that stage has taken in, in their one order."""
    query = "select folder from etl.stage_load where table_name = %s order by bound, lsn, made_at, folder"
    return [folder for (folder,) in postgres.rows(cursor, query, (table.short,))]


def newest_of_feed(cursor: Cursor, feed: str) -> int:
    """The newest batch of a feed's stage table; -1 of an empty one."""
    query = sql.SQL("select coalesce(max(etl_batch), -1) from {}").format(qualified(f"stage.{feed}"))
    found: int = postgres.value(cursor, query)
    return found


def known(cursor: Cursor) -> dict[str, Loaded]:
    """How far each table on the lake is."""
    found = postgres.rows(cursor, "select table_name, folders, sha256, batch from etl.lake_table")
    return {name: Loaded(count, sha256, batch) for name, count, sha256, batch in found}


def note(cursor: Cursor, table: str, loaded: Loaded) -> None:
    """Remembers how far a table on the lake is."""
    cursor.execute(NOTE, (table, loaded.folders, loaded.sha256, loaded.batch))


def forget(cursor: Cursor) -> None:
    """Forgets how far the tables are: the next job begins at the beginning."""
    cursor.execute("delete from etl.lake_table")


NOTE = """
insert into etl.lake_table (table_name, folders, sha256, batch) values (%s, %s, %s, %s)
on conflict (table_name)
do update set folders = excluded.folders, sha256 = excluded.sha256, batch = excluded.batch
"""
