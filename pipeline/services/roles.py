"""The roles and databases of the embedded PostgreSQL. The only work that its superuser does."""

import os
from collections.abc import Callable
from importlib import resources

from pipeline.kernel import grants, limits, postgres
from pipeline.kernel.errors import DatabaseError
from pipeline.kernel.postgres import sql
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


def create(access: Access, superuser_url: Callable[[str], str]) -> None:
    """Creates missing roles and databases, fixes existing ones, and sets the passwords of `access`.

    `superuser_url` gives the URL of a database. In an earlier version one role extracted and loaded: its warehouse is
    handed over to the loads' role. A rerun changes nothing. Raises DatabaseError.
    """
    with postgres.session(superuser_url("postgres"), "embedded") as cursor:
        for role, password in access.passwords.items():
            grants.require_role(cursor, role, password)
        grants.let_see_transactions(cursor, EXTRACT)
        # Lets the simulated shop write rows without a look-up for each foreign key.
        cursor.execute(f"grant set on parameter session_replication_role to {SIMULATOR}")
        owned = postgres.rows(cursor, "select datname from pg_database where datdba = to_regrole(%s)", (SIMULATOR,))
        databases = {database for (database,) in owned}
        if WAREHOUSE in databases:
            _hand_over(superuser_url(WAREHOUSE), databases - {WAREHOUSE})
        for database, owner in OWNERS.items():
            grants.require_database(cursor, database, owner)
        _require_all(grants.close_to_public(cursor, *grants.SERVERS_OWN, *OWNERS))
        grants.let_connect(cursor, OPERATIONAL, EXTRACT)
        grants.let_connect(cursor, WAREHOUSE, *READERS, ANALYST)
        grants.prefer_masked_views(cursor, ANALYST, WAREHOUSE)
        # A dashboard's query uses every core, with no more processes than there are cores.
        helpers = max(1, (os.cpu_count() or 2) - 1)
        for reader in READERS:
            cursor.execute(f"alter role {reader} set max_parallel_workers_per_gather = {helpers}")
        _require_all(limits.apply(cursor, LIMITS, RESERVED))
    # Nobody else may connect to Superset's own database.
    for database in (OPERATIONAL, WAREHOUSE):
        with postgres.session(superuser_url(database), "embedded") as cursor:
            _require_all(limits.limit_functions(cursor))
    # As the shop's owner: the shop may be older than the role that reads it.
    with postgres.transaction(access.url("simulator_url"), "embedded") as cursor:
        cursor.execute(resources.files("pipeline").joinpath("generators/roles.sql").read_text("utf-8"))


def _require_all(refused: list[str]) -> None:
    """Raises DatabaseError for statements that the server refuses even from its superuser."""
    if refused:
        raise DatabaseError("limit the roles of postgresql", f"the server refuses {', '.join(refused)}", "see its log")


def _hand_over(warehouse_url: str, others: set[str]) -> None:
    """Gives the warehouse and all in it to the loads' role; the shop keeps its other databases."""
    with postgres.transaction(warehouse_url, "embedded") as cursor:
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
