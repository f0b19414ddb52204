"""How far the star on the lake is, beside what stage has: known in PostgreSQL, so that nobody has to ask the lake."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.catalog import FEEDS, SOURCE_TABLES, SourceTable
from pipeline.kernel import postgres
from pipeline.kernel.config import Settings
from pipeline.kernel.postgres import Cursor, qualified, sql


@dataclass(frozen=True)
class Loaded:
    """How far a table on the lake is since the last finished job: so many folders, the newest batch of a feed."""

    folders: int = 0
    sha256: str = ""
    batch: int = -1
    loaded_to: str | None = None


@dataclass(frozen=True)
class Star:
    """Whose the star on the lake is, where it lies, and the hash of what the running job was told."""

    warehouse_id: str
    place: str
    plan_sha256: str | None


def place(settings: Settings) -> str:
    """Where the star lies, as settings name it: the catalog, what names in it begin with, and where the files are."""
    lakehouse = settings.lakehouse
    names = (lakehouse.catalog, lakehouse.catalog_uri, lakehouse.prefix, location(settings))
    return " ".join(filter(None, names))


def location(settings: Settings) -> str:
    """Where the files of the tables are."""
    return settings.lakehouse.warehouse or f"{settings.lake_url}/iceberg"


def is_current(cursor: Cursor, settings: Settings) -> bool:
    """Whether the lake has all that stage has, where the settings say that it is."""
    if not postgres.value(cursor, "select exists (select from etl.lake_star where place = %s)", (place(settings),)):
        return False
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
    cursor.execute(NOTE, (table, loaded.folders, loaded.sha256, loaded.batch, loaded.loaded_to))


def forget(cursor: Cursor, place: str) -> None:
    """Forgets how far the tables are: the next job begins at the beginning, at this place."""
    cursor.execute(
        "delete from etl.lake_table; delete from etl.lake_published; "
        "update etl.lake_star set place = %s, plan_sha256 = null",
        (place,),
    )


def star(cursor: Cursor, place: str) -> Star:
    """The star of this warehouse, at this place if it has none yet."""
    cursor.execute("insert into etl.lake_star (place) values (%s) on conflict do nothing", (place,))
    [found] = postgres.rows(cursor, "select warehouse_id::text, place, plan_sha256 from etl.lake_star")
    return Star(*found)


def owner(cursor: Cursor) -> tuple[str, str] | None:
    """By which id the lake knows whose star it has, and where that lies; None if there never was one."""
    if postgres.value(cursor, "select to_regclass('etl.lake_star') is null"):
        return None
    found = postgres.rows(cursor, "select warehouse_id::text, place from etl.lake_star")
    return found[0] if found else None


def remember(cursor: Cursor, owner: tuple[str, str]) -> None:
    """Makes a new warehouse the owner of the star on the lake that the one before it had."""
    cursor.execute("insert into etl.lake_star (warehouse_id, place) values (%s, %s)", owner)


def begin(cursor: Cursor, plan_sha256: str | None) -> None:
    """Remembers the plan of a job that begins; None: it has ended."""
    cursor.execute("update etl.lake_star set plan_sha256 = %s", (plan_sha256,))


NOTE = """
insert into etl.lake_table as known (table_name, folders, sha256, batch, loaded_to) values (%s, %s, %s, %s, %s)
on conflict (table_name) do update set
    folders = excluded.folders, sha256 = excluded.sha256, batch = excluded.batch, loaded_to = excluded.loaded_to
where (known.folders, known.sha256, known.batch, known.loaded_to)
    is distinct from (excluded.folders, excluded.sha256, excluded.batch, excluded.loaded_to)
"""
