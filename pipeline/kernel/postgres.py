"""PostgreSQL: connect, transaction, query, COPY in and out."""

import io
import os
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast
from urllib.parse import urlencode

import psycopg2
import psycopg2.errors
import psycopg2.extensions
from psycopg2 import errors, sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from pipeline.kernel import listener, shell
from pipeline.kernel.errors import ServiceDown
from pipeline.kernel.refusals import address, parameters, refusals, unreachable
from pipeline.kernel.session_settings import LOADED, LOADING, OUR_SIDE, SERVERS_SIDE, SESSION
from pipeline.kernel.streams import Readable, Writable

__all__ = ["Connection", "Cursor", "Error", "connect", "copy_in", "copy_out", "errors", "sql", "transaction"]

Error = psycopg2.Error
SECONDS_TO_CONNECT = 2
COPY_BYTES = 1 << 18  # psycopg2 asks the source of a COPY for this much at a time
OUT_BUFFER = 1 << 20  # a COPY out hands over row by row; this many bytes reach the sink at once


def check(url: str, name: str) -> None:
    """Returns when a server listens where `url` points.

    Raises ServiceDown, within a second, when nothing answers.
    """
    host, port = address(url, name)
    if not host or host.startswith("/") or "," in host:  # a Unix socket, or several hosts: left to `connect`
        return
    _require_ours(url, name)
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError as error:
        raise unreachable(url, name, error, was_reached=url in _reached) from None


def connect(url: str, name: str, *, purpose: str | None = None, autocommit: bool = False) -> Connection:
    """A connection, set to SESSION; `name` says in errors whose it is, `purpose` (or else `name`) in pg_stat_activity.

    The `options` of the URL hold, except those that SESSION sets. The shell's settings for libpq hold too, except for
    an embedded server.

    Raises ServiceDown if the server cannot be reached or refuses the login. Raises ServiceLost if that may pass: the
    server is busy or starting, or let this command in before.
    """
    _require_ours(url, name)
    connection: Connection | None = None
    try:
        with shell.for_libpq(is_embedded=_is_embedded(url, name)):
            connection = psycopg2.connect(
                url,
                connect_timeout=SECONDS_TO_CONNECT,
                application_name=f"oceanrecords {purpose or name}",
                client_encoding="UTF8",  # psycopg2 itself decodes by the encoding that it asked for
                **OUR_SIDE,
                # Set even if it is empty: else libpq takes PGOPTIONS.
                options=parameters(url, name).get("options", ""),
            )
        connection.autocommit = True
        _set_up(connection, name)
    except psycopg2.Error as error:
        if connection is not None:
            connection.close()
        raise unreachable(url, name, error, was_reached=url in _reached) from None
    _reached.add(url)
    connection.autocommit = autocommit
    return connection


@contextmanager
def replication(url: str, name: str, *, purpose: str, seconds: int) -> Iterator[Cursor]:
    """A cursor for commands of the replication protocol, on a connection that ends with the block.

    A command that waits, as for the end of open transactions, is ended after `seconds`. Raises as `session` does.
    """
    from psycopg2.extras import LogicalReplicationConnection  # what it imports costs time, in each command

    _require_ours(url, name)
    # The connection waits, in a transaction, while others use the snapshot that it exported.
    wanted = {
        **SERVERS_SIDE,
        "lock_timeout": f"{seconds}s",
        "statement_timeout": f"{seconds}s",
        "idle_in_transaction_session_timeout": "0",
    }
    given = [parameters(url, name).get("options", ""), *(f"-c {key}={value}" for key, value in wanted.items())]
    try:
        with shell.for_libpq(is_embedded=_is_embedded(url, name)):
            connection = psycopg2.connect(
                url,
                connection_factory=LogicalReplicationConnection,
                connect_timeout=SECONDS_TO_CONNECT,
                application_name=f"oceanrecords {purpose}",
                options=" ".join(given),
                **OUR_SIDE,
            )
    except psycopg2.Error as error:
        raise unreachable(url, name, error, was_reached=url in _reached) from None
    try:
        with refusals(name), connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()


def connect_beside(connection: Connection, name: str, *, purpose: str) -> Connection:
    """A second connection, to the database of a first one and with its login."""
    info = connection.info
    url = psycopg2.extensions.make_dsn(**{**info.dsn_parameters, "password": info.password})
    return connect(url, name, purpose=purpose)


@contextmanager
def transaction(url: str, name: str) -> Iterator[Cursor]:
    """A cursor in one transaction: committed at the end, rolled back on any error.

    Raises DatabaseError for what PostgreSQL refuses, without the values of rows that its own message may show;
    StatementLost when it may take the same the next time.
    """
    with _connection(url, name) as connection:
        connection.autocommit = False
        with connection, connection.cursor() as cursor:
            yield cursor


@contextmanager
def session(url: str, name: str, *, purpose: str | None = None) -> Iterator[Cursor]:
    """A cursor whose statements each commit by themselves. Its settings and locks end with it.

    Raises DatabaseError as `transaction` does.
    """
    with _connection(url, name, purpose) as connection, connection.cursor() as cursor:
        yield cursor
        cursor.execute("discard all")


@contextmanager
def _connection(url: str, name: str, purpose: str | None = None) -> Iterator[Connection]:
    """A connection of this process, kept for its next task when all went well.

    A small day is dozens of tasks of a few milliseconds each, and a new connection takes as long as one of them.
    """
    key = (url, name, purpose or name)
    connection = _idle.pop(key, None)
    if connection is None or not _is_ready_again(connection, name):
        connection = connect(url, name, purpose=purpose, autocommit=True)
    try:
        with refusals(name):
            yield connection
    except BaseException:
        connection.close()
        raise
    connection.autocommit = True
    _idle[key] = connection
    while len(_idle) > MOST_IDLE:
        _idle.pop(next(iter(_idle))).close()


# The servers that let this command in, by URL. One that then does not answer is likely to come back.
_reached: set[str] = set()
# Idle connections by URL, name and purpose, the least recently used first.
_idle: dict[tuple[str, str, str], Connection] = {}
_inherited: list[Connection] = []
MOST_IDLE = 4


def _leave_to_parent() -> None:
    """In a forked worker: its parent's connections are neither used nor closed."""
    _inherited.extend(_idle.values())
    _idle.clear()


os.register_at_fork(after_in_child=_leave_to_parent)


def _is_ready_again(connection: Connection, name: str) -> bool:
    """Whether a connection that lay idle is set up again: it was reset, and its server may have been restarted."""
    try:
        _set_up(connection, name)
    except psycopg2.Error:
        connection.close()
        return False
    return True


def _set_up(connection: Connection, name: str) -> None:
    """Sets what every session is set to, in one round trip. The connection commits by itself."""
    wanted = {**SESSION, **(LOADING if name in LOADED else {})}
    with connection.cursor() as cursor:
        cursor.execute("; ".join(f"set {setting} = '{value}'" for setting, value in wanted.items()))


def rows(cursor: Cursor, query: str | sql.Composable, arguments: Sequence[Any] | Mapping[str, Any] = ()) -> list[Any]:
    """All rows of a query."""
    cursor.execute(query, arguments or None)
    return cursor.fetchall()


def value(cursor: Cursor, query: str | sql.Composable, arguments: Sequence[Any] | Mapping[str, Any] = ()) -> Any:
    """The one value of a query of one row and one column."""
    [(only,)] = rows(cursor, query, arguments)
    return only


TLS = ("sslmode", "sslrootcert")


def jdbc(cursor: Cursor, schema: str) -> tuple[str, str, str]:
    """Where Java finds the database of a cursor, with a schema first: URL, user and password."""
    info = cursor.connection.info
    known: dict[str, str] = {name: info.dsn_parameters[name] for name in TLS if name in info.dsn_parameters}
    options = {"currentSchema": schema, **known}
    url = f"jdbc:postgresql://{info.host}:{info.port}/{info.dbname}?{urlencode(options)}"
    return url, info.user, info.password or ""


def hashed_password(cursor: Cursor, role: str, password: str) -> str:
    """The hash that a server keeps of a role's password (SCRAM), made here: the server does not see the password."""
    hashed: str = psycopg2.extensions.encrypt_password(password, role, cursor.connection, "scram-sha-256")
    return hashed


def copy_out(cursor: Cursor, query: sql.Composable, sink: Writable) -> int:
    """Streams a query to `sink` as CSV with a header; returns its number of rows. Memory stays flat."""
    buffered = io.BufferedWriter(_Raw(sink), OUT_BUFFER)
    cursor.copy_expert(sql.SQL("copy ({}) to stdout (format csv, header)").format(query), buffered)
    buffered.flush()
    return cursor.rowcount


def copy_in(cursor: Cursor, table: sql.Composable, columns: Iterable[str], source: Readable, options: str) -> int:
    """Streams `source` into `table` with COPY and the given options; returns the number of rows."""
    statement = sql.SQL("copy {} ({}) from stdin ({})").format(table, identifiers(columns), sql.SQL(options))
    cursor.copy_expert(statement, cast(Any, source), size=COPY_BYTES)
    return cursor.rowcount


def identifiers(names: Iterable[str], prefix: str | None = None) -> sql.Composable:
    """Quoted names with commas between, each with the prefix of a table if one is given."""
    return sql.SQL(", ").join(sql.Identifier(prefix, name) if prefix else sql.Identifier(name) for name in names)


def qualified(name: str) -> sql.Identifier:
    """`schema.table`, quoted."""
    return sql.Identifier(*name.split(".", 1))


class _Raw(io.RawIOBase):
    """Lets a plain sink stand behind io.BufferedWriter."""

    def __init__(self, sink: Writable) -> None:
        self.sink = sink

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.sink.write(data)
        return len(data)


def _is_embedded(url: str, name: str) -> bool:
    """Whether the server is an embedded one, as those are that are called so before services.json knows their port."""
    host, port = address(url, name)
    at = listener.service_at(host, int(port)) if port.isdecimal() else None
    return name == "embedded" or at in listener.DATABASE_SERVERS


def _require_ours(url: str, name: str) -> None:
    """Returns if the password may go to the listener. Raises ServiceDown, or ServiceLost as `connect` does."""
    host, port = address(url, name)
    problem = listener.problem(host, int(port)) if port.isdecimal() else None  # else several, for several hosts
    if problem == listener.NOTHING:
        raise unreachable(url, name, ConnectionRefusedError(problem), was_reached=url in _reached)
    if problem:
        raise ServiceDown(f"trust the {name} database at {host}:{port}", problem, listener.REMEDY)
