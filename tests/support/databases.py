"""Databases of the embedded servers, made and dropped by their superusers."""

import json
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pipeline.kernel import grants, limits, postgres
from pipeline.services.access import ANALYST, EXTRACT, READERS

# How many sessions of the database wait for a lock by name, such as that of a load.
LOCKS_WAITED_FOR = """
select count(*) from pg_locks where locktype = 'advisory' and not granted and database = (
    select oid from pg_database where datname = current_database()
)
"""


def admin_url(home: Path) -> str:
    """The URL of the embedded server's superuser, for work that the pipeline's own roles may not do."""
    password = (home / "postgresql.password").read_text().strip()
    port = urlsplit(login(home, "warehouse_url", "postgres")).port
    return f"postgresql://postgres:{password}@127.0.0.1:{port}/postgres"


def source_admin_url(home: Path) -> str:
    """The URL of the superuser of the server that the embedded source is in: its own, or the warehouse's."""
    url = login(home, "operational_url", "postgres")
    if urlsplit(url).port == urlsplit(admin_url(home)).port:
        return admin_url(home)
    password = (home / "source.password").read_text().strip()
    return f"postgresql://postgres:{password}@127.0.0.1:{urlsplit(url).port}/postgres"


def login(home: Path, name: str, database: str) -> str:
    """The URL of a database for the role that has this name in services.json."""
    known: str = json.loads((home / "services.json").read_text())[name]
    return urlsplit(known)._replace(path=f"/{database}").geturl()


def database_of(url: str) -> str:
    """The name of the database in a URL."""
    return urlsplit(url).path.removeprefix("/")


def create_source_database(home: Path, name: str, like: str | None = None, options: str = "") -> str:
    """A new database of the shop's role, empty or a copy; returns its URL for the extracting role."""
    admin = source_admin_url(home)
    _create_database(admin, name, "ocean", like, options)
    run(admin, f"grant connect on database {name} to etl_extract")
    return login(home, "operational_url", name)


def create_warehouse_database(home: Path, name: str, like: str | None = None) -> str:
    """A new database of the loads' role, empty or a copy; returns its URL for that role."""
    admin = admin_url(home)
    _create_database(admin, name, "etl_load", like)
    run(admin, f"grant connect on database {name} to {', '.join((*READERS, ANALYST))}")
    run(admin, f"alter role bi_analyst in database {name} set search_path = analyst, dwh")
    return login(home, "warehouse_url", name)


def _create_database(admin: str, name: str, owner: str, like: str | None, options: str = "") -> None:
    if like:  # a database with sessions cannot be copied; the idle ones are our own
        run(admin, "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", (like,))
    template = like or ("template0" if options else _template(admin, owner))
    # By default all of it would go through the buffers and the log, which costs twice as much, and again at the drop.
    run(admin, f"create database {name} owner {owner} template {template} strategy file_copy {options}")
    if options:
        _limit_functions(admin, name)
    run(admin, f"revoke all on database {name} from public")


def _template(admin: str, owner: str) -> str:
    """An empty database in which roles may execute the same functions as in the embedded ones."""
    name = f"template_{owner}"
    if not run(admin, "select 1 from pg_database where datname = %s", (name,)):
        run(admin, f"create database {name} owner {owner} template template0")
        _limit_functions(admin, name)
    return name


def _limit_functions(admin: str, name: str) -> None:
    url = urlsplit(admin)._replace(path=f"/{name}").geturl()
    with closing(postgres.connect(url, "tests", autocommit=True)) as connection, connection.cursor() as cursor:
        assert limits.limit_functions(cursor) == []
        if postgres.value(cursor, "show wal_level") == "logical":
            grants.let_read_log(cursor, EXTRACT)


def drop_database(home: Path, name: str) -> None:
    """Drops a database, with its open connections and its replication slots."""
    for admin in {admin_url(home), source_admin_url(home)}:
        # A slot in use keeps its database.
        used = "select pg_terminate_backend(active_pid, 10000) from pg_replication_slots where active and database = %s"
        run(admin, used, (name,))
        run(admin, f"drop database if exists {name} with (force)")


def run(url: str, query: str, arguments: Any = None) -> list[Any]:
    with postgres.session(url, "tests") as cursor:
        cursor.execute(query, arguments)
        return cursor.fetchall() if cursor.description else []
