"""Limits of each role: functions, time, connections. The administrator of the server sets them.

The embedded server and deploy/databases.py share them. The embedded superuser may set all of them, others only some.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pipeline.kernel import postgres
from pipeline.kernel.postgres import Cursor, qualified, sql
from pipeline.kernel.sql_files import statement


@dataclass(frozen=True)
class Limits:
    """Settings that a role begins each session with, and how many sessions it may have (-1: any number)."""

    settings: Mapping[str, str] = field(default_factory=dict)
    connections: int = -1


# No statement fills the server's log: neither by RAISE, nor by its text when it fails, nor by debug_print_*, which
# anybody may set. Only a superuser sets and lifts these two. The error that ends a session is still logged.
NO_LOG = {"log_min_messages": "fatal", "log_min_error_statement": "panic"}
# Dashboards: the slowest takes a second, and Superset computes up to 48 charts at once. Only expressions of viewers get
# here, which cannot lift a setting.
READER = Limits(
    {
        "statement_timeout": "30s",
        "lock_timeout": "10s",
        "idle_in_transaction_session_timeout": "60s",
        "default_transaction_read_only": "on",
        "temp_file_limit": "4GB",
        **NO_LOG,
    },
    connections=55,
)
# People: defaults that keep accidents away. Who writes SQL may set others; but for those that are a superuser's.
ANALYST = Limits(
    {
        "statement_timeout": "5min",
        "lock_timeout": "30s",
        "idle_in_transaction_session_timeout": "5min",
        "default_transaction_read_only": "on",
        "temp_file_limit": "16GB",
        **NO_LOG,
    },
    connections=20,
)
EXTRACT = Limits({"default_transaction_read_only": "on", **NO_LOG})

# Of the server's connections as many are kept for those that load and serve (PostgreSQL 16 has a role for them).
RESERVED = 30
HAS_RESERVED = "pg_use_reserved_connections"


def apply(cursor: Cursor, limited: Mapping[str, Limits], reserved: Iterable[str]) -> list[str]:
    """Sets the limits of roles, and lets others use the reserved connections; returns what the server does not allow.

    Takes the cursor of a session whose statements commit one by one. A rerun changes nothing.
    """
    refused = [message for role, limits in limited.items() for message in limit_role(cursor, role, limits)]
    return refused + [message for role in reserved for message in _reserve_connections(cursor, role)]


def limit_role(cursor: Cursor, role: str, limits: Limits) -> list[str]:
    """Sets the limits of a role from its next login on; returns those that the server does not allow.

    Takes the cursor of a session whose statements commit one by one. A rerun changes nothing.
    """
    alter = sql.SQL("alter role {} ").format(sql.Identifier(role))
    wanted = {
        name: sql.SQL("set {} = {}").format(qualified(name), sql.Literal(to)) for name, to in limits.settings.items()
    }
    wanted["connection limit"] = sql.SQL("connection limit {}").format(sql.Literal(limits.connections))
    return [f"{name} of {role}" for name, change in wanted.items() if not _is_done(cursor, alter + change)]


def _reserve_connections(cursor: Cursor, role: str) -> list[str]:
    """Lets the role use the reserved connections; returns what the server does not allow."""
    grant = sql.SQL("grant {} to {}").format(sql.Identifier(HAS_RESERVED), sql.Identifier(role))
    return [] if _is_done(cursor, grant) else [f"{HAS_RESERVED} of {role}"]


def prepared_transactions(cursor: Cursor) -> list[str]:
    """Returns what to set if the server lets everybody prepare transactions, whose locks outlive their session."""
    most = postgres.value(cursor, "show max_prepared_transactions")
    return [] if most == "0" else [f"max_prepared_transactions = 0, it is {most}"]


def limit_functions(cursor: Cursor) -> list[str]:
    """Lets only the owner of the cursor's database run PL/pgSQL and functions that do more than compute.

    Returns the server's messages about functions that stay open. A rerun changes nothing and takes some 50 ms.
    """
    notices: list[str] = cursor.connection.notices
    notices.clear()
    try:
        cursor.execute(statement("server/limits"))
    except postgres.errors.InsufficientPrivilege:  # a superuser ran it before, and PL/pgSQL is not this role's any more
        return ["warehouse/server/limits.sql cannot be run by this role"]
    return [" ".join(notice.split()).removeprefix("WARNING: ") for notice in notices]


def _is_done(cursor: Cursor, change: sql.Composable) -> bool:
    try:
        cursor.execute(change)
    except postgres.Error:  # no superuser, or a server that does not know the setting
        return False
    return True
