"""Turns refusals of PostgreSQL into our errors: a statement, a login, a URL that cannot be read.

No error shows a password, or values of rows that PostgreSQL's own message may quote.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg2
import psycopg2.extensions

from pipeline.kernel import config, listener, logins, server_log
from pipeline.kernel.declaration import declared
from pipeline.kernel.errors import ConfigError, DatabaseError, RowsHidden, ServiceDown, ServiceLost, StatementLost
from pipeline.kernel.settings import Settings

# SQLSTATEs that may pass by themselves: class 08 is lost connections, 57P01 to 57P03 a server that is restarted, 55006
# a replication slot that a killed reader still holds.
MAY_PASS = re.compile("08...|40001|40P01|55P03|55006|57P0[123]|53300")
# The server's words for the same when a client connects. psycopg2 gives no SQLSTATE then.
WILL_PASS = re.compile(
    "starting up|shutting down|not yet accepting|in recovery mode|too many (clients|connections)|connection slots"
)
# The function of PostgreSQL that refuses to leave rows out where row_security is off.
HIDES_ROWS = "check_enable_rls"
# Classes of errors whose messages quote the rows they are about: data exceptions, violated constraints.
QUOTING = ("22", "23")


@contextmanager
def refusals(name: str) -> Iterator[None]:
    """Turns what PostgreSQL refuses in the block into a DatabaseError."""
    try:
        yield
    except psycopg2.Error as error:
        raise _refused(name, error) from None


def parameters(url: str, name: str) -> dict[str, str]:
    """The parts of a database URL, by libpq's names. Raises ConfigError for a URL that cannot be read."""
    found: dict[str, str] | None = None
    with suppress(psycopg2.ProgrammingError):  # its message quotes the URL, and with it the password
        found = dict(psycopg2.extensions.parse_dsn(url))
    if found is None or logins.is_cut_database(url, found.get("host", ""), found.get("port", "")):
        raise ConfigError(
            f"read the URL of the {name} database",
            "it is not of the form postgresql://user:password@host:port/database",
            f"correct {_variable(name)}; {logins.ESCAPED}",
        )
    return found


def address(url: str, name: str) -> tuple[str, str]:
    """Host and port of the URL of a database; the host is empty for the local socket."""
    parts = parameters(url, name)
    return parts.get("host") or "", parts.get("port") or "5432"


def unreachable(url: str, name: str, error: Exception, *, was_reached: bool) -> ServiceDown:
    """The error for a server that does not answer, or refuses the login.

    It is ServiceLost when that may pass: the server is busy or starting, or let this command in before.
    """
    host, port = address(url, name)
    because = " ".join(str(error).split()) + _last_words(host, port)
    # A message of the server itself is marked FATAL. So the server is there, and its message says whether to try again.
    may_pass = WILL_PASS.search(because) or (was_reached and "FATAL" not in because)
    kind = ServiceLost if may_pass else ServiceDown
    return kind(
        f"reach the {name} database at {host or 'its local socket'}:{port}",
        because,
        f"start the server (`make up` for the embedded one) or correct {_variable(name)}",
    )


def _refused(name: str, error: psycopg2.Error) -> DatabaseError:
    diag, code = error.diag, error.pgcode or ""
    if diag.source_function == HIDES_ROWS:  # of its message, which may be in any language, only the name is taken
        table = re.search('"(.+)"', diag.message_primary or "")
        return RowsHidden(
            f"read {table[1] if table else 'a table'} in the {name} database",
            "row-level security hides rows of it from the role",
            "give the role the attribute BYPASSRLS, or in the table's place a view of a role that sees all rows",
        )
    where = ".".join(part for part in (diag.schema_name, diag.table_name, diag.column_name) if part)
    words = diag.message_primary if code[:2] not in QUOTING else None
    because = words or type(error).__name__ + (f" in {where}" if where else "")
    # Without a code it is no answer of the server: the connection is gone, or psycopg2 was used wrongly.
    is_lost = not code and not isinstance(error, psycopg2.ProgrammingError)
    kind = StatementLost if is_lost or MAY_PASS.fullmatch(code) else DatabaseError
    return kind(
        f"finish a statement in the {name} database",
        f"PostgreSQL says {code}: {because}" if code else f"the connection was lost: {because}",
        "look at the server's log for the statement, fix the cause and run the same command again",
    )


def _variable(name: str) -> str:
    """The environment variable that holds the URL of a database, if a setting names it."""
    found = declared(Settings).get(f"{name}_url")
    return found.environment if found else "its URL"


def _last_words(host: str, port: str) -> str:
    """Why an embedded server that listens no more went down, as its log says, to be added to an error."""
    service = listener.service_at(host, int(port)) if port.isdecimal() else None
    if service not in listener.DATABASE_SERVERS or listener.problem(host, int(port)) != listener.NOTHING:
        return ""
    found = server_log.last_words(config.home() / f"log/{service}.log")
    return f"; the server's log ends with: {found}" if found else ""
