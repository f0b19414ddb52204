"""The roles and databases of the embedded PostgreSQL, the one thing that is done as its superuser."""

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
# Whoever else has connections, a load gets its own.
RESERVED = (LOAD, EXTRACT, SIMULATOR, METADATA)


def create(access: Access, superuser_url: Callable[[str], str]) -> None:
    """Creates what is missing, fixes what is there, and sets the passwords of `access`.

    `superuser_url` gives the URL of a database. A warehouse of an earlier version, whose one role extracted and loaded
    too, is handed over. A rerun changes nothing. Raises DatabaseError.
    """
    with postgres.session(superuser_url("postgres"), "embedded") as cursor:
        # The text of a statement that fails would go to the log, and the password with it.
        cursor.execute("set log_min_error_statement = panic")
        for role, password in access.passwords.items():
            if not postgres.rows(cursor, "select from pg_roles where rolname = %s", (role,)):
                cursor.execute(f"create role {role} login")
            cursor.execute(f"alter role {role} password %s", (password,))
        # Extraction must see when the transactions of other roles began.
        cursor.execute(f"grant pg_read_all_stats to {EXTRACT}")
        # The simulated shop's rows come in without a look-up of each foreign key.
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
        # A name without a schema is the masked view where there is one.
        cursor.execute(f"alter role {ANALYST} in database {WAREHOUSE} set search_path = analyst, dwh")
        # A query of a dashboard works on each core, and no more of it than there are cores.
        helpers = max(1, (os.cpu_count() or 2) - 1)
        for reader in READERS:
            cursor.execute(f"alter role {reader} set max_parallel_workers_per_gather = {helpers}")
        for role, limited in LIMITS.items():
            _require_all(limits.limit_role(cursor, role, limited))
        for role in RESERVED:
            _require_all(limits.reserve_connections(cursor, role))
    # Superset's own database is open to nobody else.
    for database in (OPERATIONAL, WAREHOUSE):
        with postgres.session(superuser_url(database), "embedded") as cursor:
            _require_all(limits.limit_functions(cursor))
    # As the owner of a shop that may have been opened before there was a role to read it.
    with postgres.transaction(access.url("simulator_url"), "embedded") as cursor:
        cursor.execute(resources.files("pipeline").joinpath("generators/roles.sql").read_text("utf-8"))


def _require_all(refused: list[str]) -> None:
    """Raises DatabaseError for what even the superuser was refused."""
    if refused:
        raise DatabaseError("limit the roles of postgresql", f"the server refuses {', '.join(refused)}", "see its log")


def _hand_over(warehouse_url: str, others: set[str]) -> None:
    """The warehouse and all in it belong to the loads' role; the shop keeps the other databases that it owns."""
    with postgres.transaction(warehouse_url, "embedded") as cursor:
        cursor.execute(f"revoke pg_read_all_stats from {SIMULATOR}")
        if postgres.value(cursor, "select to_regnamespace('mart') is not null"):
            # CreateWarehouse, which runs again as its files have changed, does the same for the new owner.
            cursor.execute(
                f"alter default privileges for role {SIMULATOR} in schema mart revoke all on tables from {READER}"
            )
        cursor.execute(f"reassign owned by {SIMULATOR} to {LOAD}")
        # It takes databases along, and not this one alone.
        for database in others:
            owner = sql.SQL("alter database {} owner to {}")
            cursor.execute(owner.format(sql.Identifier(database), sql.Identifier(SIMULATOR)))
