"""The roles and databases of the embedded PostgreSQL. The only work that its superuser does."""

import os
from collections.abc import Callable
from importlib import resources

from pipeline.kernel import limits, postgres
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
        # The log would show the text of a statement that fails, with the password.
        cursor.execute("set log_min_error_statement = panic")
        for role, password in access.passwords.items():
            if not postgres.rows(cursor, "select from pg_roles where rolname = %s", (role,)):
                cursor.execute(f"create role {role} login")
            cursor.execute(f"alter role {role} password %s", (password,))
        # Extraction must see when the transactions of other roles began.
        cursor.execute(f"grant pg_read_all_stats to {EXTRACT}")
        # Lets the simulated shop write rows without a look-up for each foreign key.
        cursor.execute(f"grant set on parameter session_replication_role to {SIMULATOR}")
        owned = postgres.rows(cursor, "select datname from pg_database where datdba = to_regrole(%s)", (SIMULATOR,))
        databases = {database for (database,) in owned}
        if WAREHOUSE in databases:
            _hand_over(superuser_url(WAREHOUSE), databases - {WAREHOUSE})
        for database, owner in OWNERS.items():
            if not postgres.rows(cursor, "select from pg_database where datname = %s", (database,)):
                cursor.execute(f"create database {database} owner {owner}")
        for database in ("postgres", "template1", *OWNERS):
            cursor.execute(f"revoke all on database {database} from public")
        cursor.execute(f"grant connect on database {OPERATIONAL} to {EXTRACT}")
        cursor.execute(f"grant connect on database {WAREHOUSE} to {', '.join((*READERS, ANALYST))}")
        # A name without a schema means the masked view, if there is one.
        cursor.execute(f"alter role {ANALYST} in database {WAREHOUSE} set search_path = analyst, dwh")
        # A dashboard's query uses every core, with no more processes than there are cores.
        helpers = max(1, (os.cpu_count() or 2) - 1)
        for reader in READERS:
            cursor.execute(f"alter role {reader} set max_parallel_workers_per_gather = {helpers}")
        for role, limited in LIMITS.items():
            _require_all(limits.limit_role(cursor, role, limited))
        for role in RESERVED:
            _require_all(limits.reserve_connections(cursor, role))
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
