"""The roles and databases of an embedded PostgreSQL. The only work that its superuser does."""

import os
from collections.abc import Callable
from importlib import resources

from pipeline.kernel import grants, limits, postgres
from pipeline.kernel.errors import DatabaseError
from pipeline.kernel.listener import SOURCE
from pipeline.kernel.postgres import Cursor, sql
from pipeline.services.access import (
    ANALYST,
    EXTRACT,
    LOAD,
    METADATA,
    OPERATIONAL,
    READER,
    READERS,
    SIMULATOR,
    WAREHOUSE,
    Access,
)

OWNERS = {OPERATIONAL: SIMULATOR, WAREHOUSE: LOAD, METADATA: METADATA}
LIMITS = {**dict.fromkeys(READERS, limits.READER), ANALYST: limits.ANALYST, EXTRACT: limits.EXTRACT}
# Roles with connections reserved for their work, however many connections others have.
RESERVED = (LOAD, EXTRACT, SIMULATOR, METADATA)


def create(access: Access, server: str, superuser_url: Callable[[str], str]) -> None:
    """Creates missing roles and databases of a server, fixes existing ones, and sets the passwords of `access`.

    `superuser_url` gives the URL of a database. In an earlier version one role extracted and loaded: its warehouse is
    handed over to the loads' role. A rerun changes nothing. Raises DatabaseError.
    """
    logins = access.logins(server).values()
    used, databases = {role for role, _ in logins}, {database for _, database in logins}
    with postgres.session(superuser_url("postgres"), "embedded") as cursor:
        _create_roles(cursor, access, used)
        if WAREHOUSE in databases:
            _hand_over(cursor, superuser_url)
        for database in databases:
            grants.require_database(cursor, database, OWNERS[database])
        _require_all(grants.close_to_public(cursor, *grants.SERVERS_OWN, *databases))
        if OPERATIONAL in databases:
            _let_use_shop(cursor)
        if WAREHOUSE in databases:
            _let_use_warehouse(cursor)
        limited = {role: LIMITS[role] for role in LIMITS if role in used}
        _require_all(limits.apply(cursor, limited, [role for role in RESERVED if role in used]))
    for database in databases - {METADATA}:  # nobody else may connect to Superset's own database
        with postgres.session(superuser_url(database), "embedded") as cursor:
            _require_all(limits.limit_functions(cursor))
            if server == SOURCE:
                grants.let_read_log(cursor, EXTRACT)
    if OPERATIONAL in databases:
        # As the shop's owner: the shop may be older than the role that reads it.
        with postgres.transaction(access.url("simulator_url"), "embedded") as cursor:
            cursor.execute(resources.files("pipeline").joinpath("generators/roles.sql").read_text("utf-8"))


def _create_roles(cursor: Cursor, access: Access, used: set[str]) -> None:
    """Creates the roles that a server uses; takes the login from the others if they are there.

    They are from before the source got a server of its own, and nothing renews their passwords.
    """
    for role, password in access.passwords.items():
        if role in used:
            grants.require_role(cursor, role, password)
            cursor.execute(f"alter role {role} login")
        elif postgres.rows(cursor, "select from pg_roles where rolname = %s", (role,)):
            cursor.execute(f"alter role {role} nologin")


def _let_use_shop(cursor: Cursor) -> None:
    grants.let_connect(cursor, OPERATIONAL, EXTRACT)
    grants.let_see_transactions(cursor, EXTRACT)
    # Lets the simulated shop write rows without a look-up for each foreign key.
    cursor.execute(f"grant set on parameter session_replication_role to {SIMULATOR}")


def _let_use_warehouse(cursor: Cursor) -> None:
    grants.let_connect(cursor, WAREHOUSE, *READERS, ANALYST)
    grants.prefer_masked_views(cursor, ANALYST, WAREHOUSE)
    # A dashboard's query uses every core, with no more processes than there are cores.
    helpers = max(1, (os.cpu_count() or 2) - 1)
    for reader in READERS:
        cursor.execute(f"alter role {reader} set max_parallel_workers_per_gather = {helpers}")


def _require_all(refused: list[str]) -> None:
    """Raises DatabaseError for statements that the server refuses even from its superuser."""
    if refused:
        raise DatabaseError("limit the roles of postgresql", f"the server refuses {', '.join(refused)}", "see its log")


def _hand_over(cursor: Cursor, superuser_url: Callable[[str], str]) -> None:
    """Gives a warehouse that belongs to the shop to the loads' role; the shop keeps its other databases."""
    owned = postgres.rows(cursor, "select datname from pg_database where datdba = to_regrole(%s)", (SIMULATOR,))
    others = {database for (database,) in owned} - {WAREHOUSE}
    if (WAREHOUSE,) not in owned:
        return
    with postgres.transaction(superuser_url(WAREHOUSE), "embedded") as cursor:
        cursor.execute(f"revoke pg_read_all_stats from {SIMULATOR}")
        if postgres.value(cursor, "select to_regnamespace('mart') is not null"):
            # CreateWarehouse does the same for the new owner. It runs again because its files have changed.
            cursor.execute(
                f"alter default privileges for role {SIMULATOR} in schema mart revoke all on tables from {READER}"
            )
        cursor.execute(f"reassign owned by {SIMULATOR} to {LOAD}")
        # `reassign owned` also takes databases, and not only this one.
        for database in others:
            owner = sql.SQL("alter database {} owner to {}")
            cursor.execute(owner.format(sql.Identifier(database), sql.Identifier(SIMULATOR)))
