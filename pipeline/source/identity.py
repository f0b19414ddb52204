"""Which database the source is. The warehouse remembers the one that it was loaded from, and takes no other for it.

A server is known by the identifier of its cluster, which replicas and restored base backups share. A database of it is
known by its oid or its name: a renamed one keeps the oid, one that a dump was restored into keeps the name.
"""

from dataclasses import dataclass
from weakref import WeakKeyDictionary

from pipeline.kernel import postgres
from pipeline.kernel.errors import WrongSource
from pipeline.kernel.postgres import Connection, Cursor


@dataclass(frozen=True)
class Source:
    """A database. `server` is None where the role may not ask for it."""

    server: str | None
    oid: int
    name: str

    def __str__(self) -> str:
        return f"{self.server or 'unknown'}-{self.oid}"

    def is_same(self, other: "Source") -> bool:
        """Whether both are one database, as far as can be known: without a server's identifier all the rest counts."""
        if self.server and other.server:
            return self.server == other.server and (self.oid == other.oid or self.name == other.name)
        return (self.oid, self.name) == (other.oid, other.name)


def require_known(source: Cursor, warehouse: Cursor, new_source: str) -> None:
    """Returns where the source is the one of the warehouse, or the first one, or `new_source` confirms it.

    Raises WrongSource.
    """
    found, before = read(source), known(warehouse)
    if before and not found.is_same(before) and new_source != str(found):
        raise WrongSource(
            "load from this source",
            f"OPERATIONAL_URL names {_words(found)}, and the warehouse was loaded from {_words(before)}",
            "correct OPERATIONAL_URL; or, if the source has moved there, confirm it: "
            f"run the same command with OCEAN_NEW_SOURCE={found}",
        )
    # A role that may not ask for the server any more does not take away what is known of it.
    if found != before and (found.server or not before or not found.is_same(before)):
        remember(warehouse, found)


# The sources of open connections. All tables of a load share one connection.
_found: WeakKeyDictionary[Connection, Source] = WeakKeyDictionary()


def read(source: Cursor) -> Source:
    """The database of a session. A connection that told its server's identifier is not asked again."""
    if kept := _found.get(source.connection):
        return kept
    [(may_ask, oid, name)] = postgres.rows(source, DATABASE)
    if not may_ask:
        return Source(None, oid, name)
    found = Source(postgres.value(source, SERVER), oid, name)
    _found[source.connection] = found
    return found


def known(warehouse: Cursor) -> Source | None:
    """The source that the warehouse was loaded from; None where it knows none yet."""
    if postgres.value(warehouse, "select to_regclass('etl.source') is null"):
        return None
    found = postgres.rows(warehouse, "select server, database_oid, database_name from etl.source")
    return Source(*found[0]) if found else None


def remember(warehouse: Cursor, source: Source) -> None:
    """Makes a source the one of the warehouse, where that is of this version."""
    if postgres.value(warehouse, "select to_regclass('etl.source') is not null"):
        warehouse.execute(REMEMBER, (source.server, source.oid, source.name))


def _words(source: Source) -> str:
    server = f"server {source.server}" if source.server else "a server that does not say which it is"
    return f"database {source.name} (oid {source.oid}) of {server}"


# Anybody may execute the function, unless somebody revoked it.
DATABASE = """
select has_function_privilege('pg_control_system()', 'execute'), oid::bigint, datname::text
from pg_database where datname = current_database()
"""
SERVER = "select system_identifier::text from pg_control_system()"
REMEMBER = """
insert into etl.source (server, database_oid, database_name) values (%s, %s, %s)
on conflict (is_known) do update set
    server = excluded.server, database_oid = excluded.database_oid, database_name = excluded.database_name,
    known_ts = excluded.known_ts
"""
