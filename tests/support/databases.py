"""Databases of the embedded server, made and dropped by its superuser."""

import json
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pipeline.kernel import limits, postgres
from pipeline.services.access import ANALYST, READERS


def admin_url(home: Path) -> str:
    """The URL of the embedded server's superuser, for work that the pipeline's own roles may not do."""
    password = (home / "postgresql.password").read_text().strip()
    port = urlsplit(login(home, "warehouse_url", "postgres")).port
    return f"postgresql://postgres:{password}@127.0.0.1:{port}/postgres"


def login(home: Path, name: str, database: str) -> str:
    """The URL of a database for the role that has this name in services.json."""
    known: str = json.loads((home / "services.json").read_text())[name]
    return urlsplit(known)._replace(path=f"/{database}").geturl()


def database_of(url: str) -> str:
    """The name of the database in a URL."""
    return urlsplit(url).path.removeprefix("/")


def create_source_database(home: Path, name: str, like: str | None = None, options: str = "") -> str:
    """A new database of the shop's role, empty or a copy; returns its URL for the extracting role."""
    _create_database(home, name, "ocean", like, options)
    run(admin_url(home), f"grant connect on database {name} to etl_extract")
    return login(home, "operational_url", name)


def create_warehouse_database(home: Path, name: str, like: str | None = None) -> str:
    """A new database of the loads' role, empty or a copy; returns its URL for that role."""
    _create_database(home, name, "etl_load", like)
    run(admin_url(home), f"grant connect on database {name} to {', '.join((*READERS, ANALYST))}")
    run(admin_url(home), f"alter role bi_analyst in database {name} set search_path = analyst, dwh")
    return login(home, "warehouse_url", name)


def _create_database(home: Path, name: str, owner: str, like: str | None, options: str = "") -> None:
    if like:  # a database with sessions cannot be copied; the idle ones are our own
        run(admin_url(home), "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", (like,))
    template = like or ("template0" if options else _template(home, owner))
    # By default all of it would go through the buffers and the log, which costs twice as much, and again at the drop.
    run(admin_url(home), f"create database {name} owner {owner} template {template} strategy file_copy {options}")
    if options:
        _limit_functions(home, name)
    run(admin_url(home), f"revoke all on database {name} from public")


def _template(home: Path, owner: str) -> str:
    """An empty database in which roles may execute the same functions as in the embedded ones."""
    name = f"template_{owner}"
    if not run(admin_url(home), "select 1 from pg_database where datname = %s", (name,)):
        run(admin_url(home), f"create database {name} owner {owner} template template0")
        _limit_functions(home, name)
    return name


def _limit_functions(home: Path, name: str) -> None:
    url = urlsplit(admin_url(home))._replace(path=f"/{name}").geturl()
    with closing(postgres.connect(url, "tests", autocommit=True)) as connection, connection.cursor() as cursor:
        assert limits.limit_functions(cursor) == []


def drop_database(home: Path, name: str) -> None:
    """Drops a database, with its open connections."""
    run(admin_url(home), f"drop database if exists {name} with (force)")


def run(url: str, query: str, arguments: Any = None) -> list[Any]:
    with postgres.session(url, "tests") as cursor:
        cursor.execute(query, arguments)
        return cursor.fetchall() if cursor.description else []
