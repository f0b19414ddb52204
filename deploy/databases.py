"""Creates the roles and databases that connection strings ask for, on a PostgreSQL of one's own.

    ADMIN_URL=postgresql://... WAREHOUSE_URL=postgresql://... python deploy/databases.py

ADMIN_URL is a login that may create roles and databases. Each of the other variables that is set, and each
SUPERSET_WAREHOUSE_URL_<COUNTRY>, creates its role with its password, and its database. The database belongs to the
first role that names it; later roles may connect.
Run it before the first load: CreateWarehouse grants rights to the roles of dashboards and analysts. A rerun sets the
passwords again, so it also changes them. On an error the exit code is 1, and one line says what is wrong.

It also limits the functions and resources of each role (pipeline/kernel/limits.py), and keeps all of them out of the
databases `postgres` and `template1`. ADMIN_URL may be no superuser, as on RDS. One line names the statements that it
may not run.
"""

import os
import sys

from psycopg2.extensions import cursor as Cursor
from psycopg2.extensions import encrypt_password, make_dsn, parse_dsn

from pipeline.kernel import limits, logins, postgres
from pipeline.kernel.errors import ConfigError, OceanError, ServiceDown
from pipeline.kernel.postgres import qualified, sql

# The first two apply only to a simulated shop: your own source exists already.
VARIABLES = (
    "OCEAN_SIMULATOR_URL",
    "OPERATIONAL_URL",
    "WAREHOUSE_URL",
    "SUPERSET_WAREHOUSE_URL",
    "ANALYST_URL",
    "SUPERSET_METADATA_URL",
)
COUNTRY_URL = "SUPERSET_WAREHOUSE_URL_"  # followed by a country
LIMITS = {
    "OPERATIONAL_URL": limits.EXTRACT,
    "SUPERSET_WAREHOUSE_URL": limits.READER,
    "ANALYST_URL": limits.ANALYST,
}
# Roles with connections reserved for loads and Superset, however many connections others have.
RESERVED = ("OCEAN_SIMULATOR_URL", "OPERATIONAL_URL", "WAREHOUSE_URL", "SUPERSET_METADATA_URL")


def main() -> int:
    """Creates what is missing; returns the exit code."""
    try:
        names = (*VARIABLES, *sorted(name for name in os.environ if name.startswith(COUNTRY_URL)))
        wanted = {name: _parts(name, os.environ[name]) for name in names if os.environ.get(name)}
        _parts("ADMIN_URL", os.environ.get("ADMIN_URL", ""), "host")
        with postgres.session(os.environ["ADMIN_URL"], "admin") as cursor:
            for name, parts in wanted.items():
                _require_role(cursor, parts["user"], parts["password"])
                _require_database(cursor, parts["dbname"], parts["user"])
                role, database = qualified(parts["user"]), qualified(parts["dbname"])
                if name == "OPERATIONAL_URL":
                    # Extraction must see when the transactions of other roles began.
                    cursor.execute(sql.SQL("grant pg_read_all_stats to {}").format(role))
                if name == "ANALYST_URL":
                    # A name without a schema means the masked view, if there is one.
                    path = sql.SQL("alter role {} in database {} set search_path = analyst, dwh")
                    cursor.execute(path.format(role, database))
                print(f"{name}: role {parts['user']}, database {parts['dbname']}", flush=True)
            refused = [*_limit_roles(cursor, wanted), *_close_to_public(cursor), *_limit_functions(wanted)]
            if refused := [*refused, *limits.prepared_transactions(cursor)]:
                print(
                    f"Not allowed here (docs/operations.md, Roles, says what to do): {'; '.join(refused)}", flush=True
                )
    except OceanError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _parts(name: str, url: str, *needed: str) -> dict[str, str]:
    """The parts of a connection string. Raises ConfigError, which does not quote it."""
    try:
        parts: dict[str, str] = parse_dsn(url)
    except postgres.Error:
        parts = {}
    if logins.is_cut_database(url, parts.get("host", ""), parts.get("port", "")):
        raise ConfigError(f"read {name}", "its password may end early", f"correct it; {logins.ESCAPED}")
    if missing := [key for key in needed or ("host", "user", "password", "dbname") if not parts.get(key)]:
        raise ConfigError(
            f"read {name}",
            f"it says nothing of {', '.join(missing)}",
            "set it to postgresql://user:password@host/database",
        )
    return parts


def _require_role(cursor: Cursor, role: str, password: str) -> None:
    name = qualified(role)
    if not postgres.rows(cursor, "select from pg_roles where rolname = %s", (role,)):
        cursor.execute(sql.SQL("create role {} login").format(name))
    # The hash, not the password: the server may log the statement.
    hashed = encrypt_password(password, role, cursor.connection, "scram-sha-256")
    cursor.execute(sql.SQL("alter role {} password {}").format(name, sql.Literal(hashed)))


def _require_database(cursor: Cursor, database: str, role: str) -> None:
    name = qualified(database)
    if not postgres.rows(cursor, "select from pg_database where datname = %s", (database,)):
        # A login that is no superuser has to be a member of a role to give it a database.
        cursor.execute(sql.SQL("grant {} to current_user").format(qualified(role)))
        cursor.execute(sql.SQL("create database {} owner {}").format(name, qualified(role)))
        cursor.execute(sql.SQL("revoke all on database {} from public").format(name))
    cursor.execute(sql.SQL("grant connect on database {} to {}").format(name, qualified(role)))


def _limit_roles(cursor: Cursor, wanted: dict[str, dict[str, str]]) -> list[str]:
    """Sets the limits of each role; returns the statements that are not allowed."""
    refused = []
    # A role that also owns a database is no mere reader.
    owners = {wanted[name]["user"] for name in ("OCEAN_SIMULATOR_URL", "WAREHOUSE_URL") if name in wanted}
    for name, parts in wanted.items():
        limited = limits.READER if name.startswith(COUNTRY_URL) else LIMITS.get(name)
        if limited and parts["user"] not in owners:
            refused += limits.limit_role(cursor, parts["user"], limited)
        if name in RESERVED:
            refused += limits.reserve_connections(cursor, parts["user"])
    return refused


def _close_to_public(cursor: Cursor) -> list[str]:
    """Keeps everybody but their owner out of the server's own databases; returns the statements not allowed."""
    refused = []
    for database in ("postgres", "template1"):
        # A revoke by anybody but the owner would do nothing, with a warning.
        owned = "select pg_has_role(datdba, 'usage') from pg_database where datname = %s"
        if postgres.rows(cursor, owned, (database,)) == [(True,)]:
            cursor.execute(sql.SQL("revoke connect on database {} from public").format(qualified(database)))
        else:
            refused.append(f"revoke connect on database {database} from public")
    return refused


def _limit_functions(wanted: dict[str, dict[str, str]]) -> list[str]:
    """Runs warehouse/server/limits.sql in warehouse and simulated shop; returns the statements not allowed."""
    refused = []
    for database in sorted({wanted[name]["dbname"] for name in ("OPERATIONAL_URL", "WAREHOUSE_URL") if name in wanted}):
        try:
            with postgres.session(make_dsn(os.environ["ADMIN_URL"], dbname=database), "admin") as cursor:
                refused += [f"in {database} {said}" for said in limits.limit_functions(cursor)]
        except ServiceDown:
            refused.append(f"connect to {database}, and so run warehouse/server/limits.sql in it")
    return refused


if __name__ == "__main__":
    sys.exit(main())
