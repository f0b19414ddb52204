"""PostgreSQL: connect, transaction, lock, COPY in and out. The only module that imports psycopg2."""

import io
import logging
import os
import re
import socket
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any, cast

import psycopg2
import psycopg2.errors
import psycopg2.extensions
import psycopg2.extras
from psycopg2 import errors, sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from pipeline.kernel import config, listener, server_log
from pipeline.kernel.declaration import declared
from pipeline.kernel.errors import ConfigError, DatabaseError, ServiceDown, ServiceLost, StatementLost
from pipeline.kernel.settings import Settings
from pipeline.kernel.streams import Readable, Writable
from pipeline.kernel.waiting import attended

__all__ = ["Connection", "Cursor", "Error", "connect", "copy_in", "copy_out", "errors", "sql", "transaction"]

logger = logging.getLogger("luigi-interface")

Error = psycopg2.Error
SECONDS_TO_CONNECT = 2
# A network that goes silent, of which nobody is told, is given up after a minute: half of it idle, then three probes,
# by either side. Otherwise a load would wait for its server, or a server keep a lost load's locks, for some two hours.
IDLE, INTERVAL, PROBES = 30, 10, 3
MILLISECONDS_SILENT = 60_000
COPY_BYTES = 1 << 18  # psycopg2 asks the source of a COPY for this much at a time
OUT_BUFFER = 1 << 20  # a COPY out hands over row by row; this many bytes reach the sink at once
# SQLSTATEs of what may pass by itself: class 08 is lost connections, 57P01 to 57P03 a server that is restarted.
MAY_PASS = re.compile("08...|40001|40P01|55P03|57P0[123]|53300")
# How a server says the same to who connects, of which psycopg2 gives no SQLSTATE.
WILL_PASS = re.compile(
    "starting up|shutting down|not yet accepting|in recovery mode|too many (clients|connections)|connection slots"
)


def check(url: str, name: str) -> None:
    """Returns when a server listens where `url` points.

    Raises ServiceDown, within a second, when nothing answers.
    """
    host, port = _address(url, name)
    if not host or host.startswith("/") or "," in host:  # a Unix socket, or several hosts: left to `connect`
        return
    _require_ours(url, name)
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError as error:
        raise _down(url, name, error) from None


def connect(url: str, name: str, *, purpose: str | None = None, autocommit: bool = False) -> Connection:
    """A connection in UTC; `name` says in errors whose it is, `purpose` (or else `name`) in pg_stat_activity.

    Raises ServiceDown when the server cannot be reached or refuses the login; ServiceLost when that may pass: it is
    busy or starting, or let this command in before.
    """
    _require_ours(url, name)
    try:
        connection = psycopg2.connect(
            url,
            connect_timeout=SECONDS_TO_CONNECT,
            application_name=f"oceanrecords {purpose or name}",
            keepalives_idle=IDLE,
            keepalives_interval=INTERVAL,
            keepalives_count=PROBES,
            tcp_user_timeout=MILLISECONDS_SILENT,
            # A server notices within seconds that its client was killed, and lets go of the client's locks.
            options="-c timezone=UTC -c datestyle=ISO -c intervalstyle=postgres -c client_connection_check_interval=2s"
            f" -c tcp_keepalives_idle={IDLE} -c tcp_keepalives_interval={INTERVAL} -c tcp_keepalives_count={PROBES}"
            f" -c tcp_user_timeout={MILLISECONDS_SILENT}",
        )
    except psycopg2.OperationalError as error:
        raise _down(url, name, error) from None
    _reached.add(url)
    connection.autocommit = autocommit
    return connection


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
    """A cursor whose statements each commit by themselves; what it set and locked ends with it.

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
    key = (url, purpose or name)
    connection, used = _idle.pop(key, (None, 0.0))
    if connection is None or (time.monotonic() - used > SECONDS_TRUSTED and not _answers(connection)):
        connection = connect(url, name, purpose=purpose, autocommit=True)
    try:
        with refusals(name):
            yield connection
    except BaseException:
        connection.close()
        raise
    connection.autocommit = True
    _idle[key] = connection, time.monotonic()
    while len(_idle) > MOST_IDLE:
        _idle.pop(next(iter(_idle)))[0].close()


@contextmanager
def refusals(name: str) -> Iterator[None]:
    """Turns what PostgreSQL refuses in the block into a DatabaseError."""
    try:
        yield
    except psycopg2.Error as error:
        raise _refused(name, error) from None


# The servers that let this command in, by URL. One that then does not answer is likely to come back.
_reached: set[str] = set()
# Idle connections by URL and purpose, each with the time of its last use, the least recently used first.
_idle: dict[tuple[str, str], tuple[Connection, float]] = {}
_inherited: list[Connection] = []
MOST_IDLE = 4
SECONDS_TRUSTED = 1  # after this, an idle connection is tried before it is used


def _leave_to_parent() -> None:
    """In a forked worker: its parent's connections are neither used nor closed."""
    _inherited.extend(connection for connection, _ in _idle.values())
    _idle.clear()


os.register_at_fork(after_in_child=_leave_to_parent)


def _answers(connection: Connection) -> bool:
    """Whether a connection that lay idle still answers: its server may have been restarted."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("select")
    except psycopg2.Error:
        return False
    return True


def lock(cursor: Cursor, name: str) -> None:
    """Waits until no other transaction holds the lock called `name`, and holds it until this one ends.

    As all three, it says in the log whom it waits for, and can be interrupted meanwhile.
    """
    _lock_advisory(cursor, name, "xact_lock")


def lock_session(cursor: Cursor, name: str) -> None:
    """The same lock, held until the session ends: for work that is no transaction of this database."""
    _lock_advisory(cursor, name, "lock")


def lock_tables(cursor: Cursor, *tables: str) -> None:
    """Waits for other loads of these tables and keeps them out until the transaction ends; readers go on.

    Who locks several does so in one order, or two would wait for each other: dim_product, then facts as in the
    catalogue.
    """
    for table in tables:
        statement = sql.SQL("lock table {} in share row exclusive mode").format(qualified(table))
        try:
            cursor.execute(sql.SQL("savepoint free; {} nowait; release savepoint free").format(statement))
        except errors.LockNotAvailable:
            cursor.execute("rollback to savepoint free")
            _wait_for(table, cursor, statement)


def _lock_advisory(cursor: Cursor, name: str, kind: str) -> None:
    take = f"select pg_{{}}advisory_{kind}(hashtextextended(%s, 0))"
    if not value(cursor, take.format("try_"), (name,)):
        _wait_for(name, cursor, take.format(""), (name,))


HOLDERS = """
select coalesce(holder.usename, 'nobody'), coalesce(holder.application_name, ''), blocking.pid,
    coalesce(holder.xact_start, holder.query_start, holder.backend_start)
from unnest(pg_blocking_pids(%s)) as blocking (pid) left join pg_stat_activity as holder using (pid)
where blocking.pid <> 0
"""
# To pg_blocking_pids a prepared transaction, which no session holds, is pid 0. It is known by its locks on the same.
PREPARED_HOLDERS = """
with

left_behind as (select * from pg_locks where pid is null and granted)

select prepared.owner, prepared.gid, prepared.prepared
from pg_prepared_xacts as prepared
where 0 = any(pg_blocking_pids(%(pid)s)) and exists (
    select from left_behind as own
    inner join left_behind as held using (virtualtransaction)
    inner join pg_locks as wanted on
        (held.locktype, held.database, held.relation, held.page, held.tuple)
        is not distinct from (wanted.locktype, wanted.database, wanted.relation, wanted.page, wanted.tuple)
        and (held.transactionid, held.classid, held.objid, held.objsubid)
        is not distinct from (wanted.transactionid, wanted.classid, wanted.objid, wanted.objsubid)
    where own.transactionid = prepared.transaction and wanted.pid = %(pid)s and not wanted.granted
)
order by prepared.prepared
"""


def _wait_for(name: str, cursor: Cursor, statement: str | sql.Composable, arguments: Sequence[str] = ()) -> None:
    """Runs a statement that takes the lock called `name`, which is not free.

    The statement itself waits, so that whoever came first is served first, deadlocks are found, and the lock_timeout of
    the role is respected.
    """

    def tell() -> None:
        for holder in _holders(cursor.connection):
            logger.info("waits for the lock %s: %s", name, holder)

    attended(lambda: cursor.execute(statement, arguments or None), tell, cursor.connection.cancel)


def _holders(waiting: Connection) -> list[str]:
    """Who holds what a connection waits for; asked by another one, as the first cannot."""
    info = waiting.info
    address = psycopg2.extensions.make_dsn(**{**info.dsn_parameters, "password": info.password})
    try:
        with closing(connect(address, "waiting", purpose="lock watch")) as connection, connection.cursor() as cursor:
            sessions = rows(cursor, HOLDERS, (info.backend_pid,))
            prepared = rows(cursor, PREPARED_HOLDERS, {"pid": info.backend_pid})
    except (psycopg2.Error, ServiceDown) as error:
        return [f"who holds it cannot be asked ({type(error).__name__})"]
    return [
        *(
            f"{application!r} of role {role!r} holds it, pid {pid}, since {since or 'a time that is hidden'}"
            for role, application, pid, since in sessions
        ),
        *(
            f"the prepared transaction {gid!r} of role {role!r} holds it, since {since}, until somebody ends it with "
            "`rollback prepared`"
            for role, gid, since in prepared
        ),
    ]


def rows(cursor: Cursor, query: str | sql.Composable, arguments: Sequence[Any] | Mapping[str, Any] = ()) -> list[Any]:
    """All rows of a query."""
    cursor.execute(query, arguments or None)
    return cursor.fetchall()


def value(cursor: Cursor, query: str | sql.Composable, arguments: Sequence[Any] | Mapping[str, Any] = ()) -> Any:
    """The one value of a query of one row and one column."""
    [(only,)] = rows(cursor, query, arguments)
    return only


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
    """Quoted names with commas between, each with the prefix of a table where one is given."""
    return sql.SQL(", ").join(sql.Identifier(prefix, name) if prefix else sql.Identifier(name) for name in names)


def qualified(name: str) -> sql.Composable:
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


def _variable(name: str) -> str:
    """The environment variable that holds the URL of a database, where a setting names it."""
    found = declared(Settings).get(f"{name}_url")
    return found.environment if found else "its URL"


def _address(url: str, name: str) -> tuple[str, str]:
    try:
        parts = psycopg2.extensions.parse_dsn(url)
    except psycopg2.ProgrammingError:  # its message quotes the URL, and with it the password
        raise ConfigError(
            f"read the URL of the {name} database",
            "it is not of the form postgresql://user:password@host:port/database",
            f"correct {_variable(name)}; special characters of a password are written %XX",
        ) from None
    return parts.get("host") or "", parts.get("port") or "5432"


def _require_ours(url: str, name: str) -> None:
    """Returns where the password may go to whoever listens. Raises ServiceDown, or ServiceLost as `connect` does."""
    host, port = _address(url, name)
    problem = listener.problem(host, int(port)) if port.isdecimal() else None  # else several, for several hosts
    if problem == listener.NOTHING:
        raise _down(url, name, ConnectionRefusedError(problem))
    if problem:
        raise ServiceDown(f"trust the {name} database at {host}:{port}", problem, listener.REMEDY)


# Classes of errors whose messages quote the rows they are about: data exceptions, violated constraints.
QUOTING = ("22", "23")


def _refused(name: str, error: psycopg2.Error) -> DatabaseError:
    diag, code = error.diag, error.pgcode or ""
    where = ".".join(part for part in (diag.schema_name, diag.table_name, diag.column_name) if part)
    words = diag.message_primary if code[:2] not in QUOTING else None
    because = words or type(error).__name__ + (f" in {where}" if where else "")
    # Without a code it is no answer of the server: the connection is gone, or psycopg2 was used wrongly.
    is_lost = not code and not isinstance(error, psycopg2.ProgrammingError)
    kind = StatementLost if is_lost or MAY_PASS.fullmatch(code) else DatabaseError
    return kind(
        f"finish a statement in the {name} database",
        f"PostgreSQL says {code}: {because}" if code else f"the connection was lost: {because}",
        "look at the server's log for the statement, mend the cause and run the same command again",
    )


def _last_words(host: str, port: str) -> str:
    """Why an embedded server that listens no more went down, as its log says, to be added to an error."""
    if not port.isdecimal() or listener.service_at(host, int(port)) != "postgresql":
        return ""
    found = server_log.last_words(config.home()) if listener.problem(host, int(port)) == listener.NOTHING else None
    return f"; the server's log ends with: {found}" if found else ""


def _down(url: str, name: str, error: Exception) -> ServiceDown:
    host, port = _address(url, name)
    because = " ".join(str(error).split()) + _last_words(host, port)
    # What comes from the server itself is marked FATAL: it is there, and knows whether it is worth another try.
    may_pass = WILL_PASS.search(because) or (url in _reached and "FATAL" not in because)
    kind = ServiceLost if may_pass else ServiceDown
    return kind(
        f"reach the {name} database at {host or 'its local socket'}:{port}",
        because,
        f"start the server (`make up` for the embedded one) or correct {_variable(name)}",
    )
